"""Installs the clipping agent on a machine with systemd. Depends only on Python's standard library.

A version is a virtual environment in /opt/clipping-agent/versions. `current` links to the active one and is
switched atomically, after the new version has validated the machine's configuration. A failure before the
switch changes nothing; a failure after it is rolled back.
"""
