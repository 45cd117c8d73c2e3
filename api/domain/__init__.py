"""Pure decisions: what a message does to a request, what a failover came to."""
