"""The state of a cluster from the agents' documents, and the decisions about failovers."""
