"""What the agent needs to work: recordings below its roots, the spool, the right to sign."""
