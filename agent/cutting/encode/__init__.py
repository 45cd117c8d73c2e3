"""Encodes a clip with ffmpeg."""
