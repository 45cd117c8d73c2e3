"""Messages to and from the agents, and periodic tasks."""
