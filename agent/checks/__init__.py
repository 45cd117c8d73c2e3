"""Checks of what the agent depends on."""
