"""A simulated cluster: the real election, lease and guard on a simulated clock, over a network and a store
that lose, delay and duplicate calls."""
