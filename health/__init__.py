"""Who is alive. Later: who leads."""
