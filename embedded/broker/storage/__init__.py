"""What survives a kill -9: SQLite, one writer."""
