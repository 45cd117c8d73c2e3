"""Benchmarks, mostly as ratios to rival tools. Each is a command: `python -m bench.NAME`."""
