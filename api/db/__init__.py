"""What callers ask about, in SQL: requests, the outbox, and messages that could not be read."""
