"""The HTTP service: accepts clip requests, publishes them to the agents and reports their results."""
