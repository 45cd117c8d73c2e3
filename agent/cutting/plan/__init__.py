"""What is to be cut, and how: decided before anything is written."""
