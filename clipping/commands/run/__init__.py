"""What the commands do. `common` and `service` have shared functions."""
