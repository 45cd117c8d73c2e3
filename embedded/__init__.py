"""The service on one machine without a cloud: the Pub/Sub server, and the local stack of `clipping up`."""
