"""The HTTP server that the API and the health page share."""
