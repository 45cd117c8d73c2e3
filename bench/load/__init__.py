"""HTTP load generators, light enough to share two cores with the service."""
