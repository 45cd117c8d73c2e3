"""Push subscriptions, with signed identity tokens."""
