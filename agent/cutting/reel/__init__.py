"""Reels: parts of recordings, joined into one video with transitions, chapters and one audio track."""
