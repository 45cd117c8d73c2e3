"""The health page: its content, and the limits on its callers."""
