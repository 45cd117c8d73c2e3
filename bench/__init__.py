"""Measurements as ratios against rivals, each a command: `python -m bench.NAME`."""
