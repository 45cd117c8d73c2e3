"""The database: requests, the outbox, and messages that could not be read."""
