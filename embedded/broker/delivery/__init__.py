"""Which subscriber gets which message, and when again."""
