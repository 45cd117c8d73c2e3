"""Checks a clip before it is delivered."""
