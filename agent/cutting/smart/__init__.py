"""Cuts exactly to the frame: encodes the edges, copies what is between."""
