"""The Pub/Sub API that the official client calls."""
