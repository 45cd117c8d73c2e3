"""Object stores behind one interface: see `port.py`."""
