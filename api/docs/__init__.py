"""The content of the documentation page."""
