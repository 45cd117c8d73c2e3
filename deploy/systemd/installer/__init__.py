"""Installs the clipping agent on a machine with systemd. Needs nothing but Python's standard library.

A version is a virtual environment in /opt/clipping-agent/versions. `current` points to the one that runs, and
is switched in one step, after the new version has agreed with the machine's configuration. What fails before
that step changes nothing; what fails after it is taken back.
"""
