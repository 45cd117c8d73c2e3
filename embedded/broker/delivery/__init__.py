"""Delivery of messages to subscribers: leases, retries, flow control and filters."""
