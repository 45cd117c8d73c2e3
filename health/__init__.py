"""Which agent leads, and how each agent is: the election, the lease and the health page."""
