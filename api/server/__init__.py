"""Serves the app: sockets, threads, signals."""
