"""Object stores behind one port: see `port.py`."""
