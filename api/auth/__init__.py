"""Which client calls, and what it may do."""
