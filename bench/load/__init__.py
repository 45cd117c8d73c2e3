"""Load on an HTTP service, light enough to share two cores with it: for `bench.api`."""
