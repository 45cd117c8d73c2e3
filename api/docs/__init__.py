"""What the documentation page shows."""
