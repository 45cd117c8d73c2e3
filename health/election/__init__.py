"""Who should lead: pure decisions from what was observed."""
