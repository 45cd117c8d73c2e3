"""The catalogue of recordings: read from the store, where agents keep it, and searched."""
