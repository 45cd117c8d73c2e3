"""Shared by all routes: bodies, headers, errors, the audit log."""
