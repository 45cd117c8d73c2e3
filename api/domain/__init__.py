"""Pure decisions: the effect of a message on a request, and the state of a failover."""
