"""`python -m bench.soak`: a stack under load and faults, and whether every promise was kept.

A broker, the API and two agents (primary-standby, preset `quick`, a local store) run on this machine. What
ends is started again, as systemd would. Requests of all kinds are sent at a steady rate, while every few
seconds a fault hits one of the parts; each is healed after a while. In the end everything is healed, and
once every accepted request has ended, `judge` compares what happened with what must be true. Exit code 1:
something was not.
"""
