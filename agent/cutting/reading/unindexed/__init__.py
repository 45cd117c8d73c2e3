"""Finds a place in recordings that have no index."""
