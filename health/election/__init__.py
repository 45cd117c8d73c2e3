"""Which agent should lead: pure decisions on observations."""
