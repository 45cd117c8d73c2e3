"""The commands of `clipping-agent`."""
