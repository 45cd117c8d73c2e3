"""Measurements of clips, independent of the engine under test."""
