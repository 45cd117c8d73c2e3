"""What is in a file: boxes, codec units, packets, headers."""
