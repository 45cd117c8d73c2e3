"""What the agents' documents say of a cluster, and what may be done to it."""
