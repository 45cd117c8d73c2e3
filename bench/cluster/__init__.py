"""A simulated cluster: the real election, lease and guard on a clock that is moved by hand, over a network
and a store that lose, delay and double whatever they can."""
