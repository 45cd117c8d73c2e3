"""Runs the election: reads the store, polls the peers, carries decisions out."""
