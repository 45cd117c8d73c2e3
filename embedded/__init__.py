"""Everything on one machine and no cloud: the Pub/Sub server, and the local stack of `clipping up`."""
