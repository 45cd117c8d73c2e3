"""Writes a clip's streams, copied or encoded."""
