"""Whether what the agent depends on is well."""
