"""What the benchmarks measure clips with: nothing here asks the engine what it thinks of them."""
