"""Throw-away Debian machines with a real systemd, on a private network whose cables a test can cut.

systemd-nspawn boots them from one tree (`base`) with a disk of their own laid over it; the network (`lan`) is
made of network namespaces and a bridge. Nothing else of this machine is touched, and it goes with the test.
"""
