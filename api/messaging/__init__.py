"""Messages to and from the agents, and what is done periodically."""
