"""Requests for clips: accepting, cancelling, quotas, estimates, and how they are shown."""
