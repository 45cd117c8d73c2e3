"""The error for recordings that need libavformat."""

from __future__ import annotations


class NotPlain(Exception):
    """The recording has a feature that cutting by index does not support. The text says which."""
