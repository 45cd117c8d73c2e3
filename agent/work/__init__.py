"""One clip's way through the agent, and how many are in flight."""
