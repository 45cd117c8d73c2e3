"""Persistent storage that survives a kill -9: SQLite with one writer."""
