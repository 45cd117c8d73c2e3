"""The health page: what it shows, to whom, and how many may ask."""
