"""Temporary Debian hosts with a real systemd, on a private network that tests can partition.

systemd-nspawn boots them from one tree (`base`) with an overlay as the disk of each; the network (`lan`)
consists of network namespaces and a bridge. They do not affect the rest of this machine and are removed with
the test."""
