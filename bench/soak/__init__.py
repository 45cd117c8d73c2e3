"""`python -m bench.soak`: runs a stack under load and faults, and verifies its guarantees.

A broker, the API and two agents (primary-standby, preset `quick`, a local store) run on this machine.
Processes that exit are restarted, as by systemd. Requests of all kinds are sent at a steady rate, while every
few seconds a fault hits one of the components and is healed after a while. At the end all faults are healed.
Once every accepted request has finished, `judge` verifies the results. The exit code is 1 if there are
violations."""
