"""Why a recording is left to libavformat."""

from __future__ import annotations


class NotPlain(Exception):
    """The recording has something that this way of cutting does not know. The text says what."""
