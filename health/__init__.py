"""Which agent leads: the health page, the lease and the election."""
