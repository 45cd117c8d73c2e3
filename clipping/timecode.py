"""Parses positions in a recording: a number of seconds, `ss.fff`, `mm:ss.fff` or `hh:mm:ss.fff`."""

from __future__ import annotations

import math
import re
from fractions import Fraction

_PATTERN = re.compile(r"(?:(?:(\d{1,3}):)?([0-5]?\d):)?(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)


def parse_seconds(value: object) -> float:
    """Seconds from a number or a time string.

    Raises `ValueError` with a sentence that completes "<field> …" for booleans, NaN, infinities, negatives
    and strings of another form.
    """
    if isinstance(value, bool):
        raise ValueError("must be a number of seconds or a time like 3:24:15.5, not a boolean")
    if isinstance(value, int | float):
        try:
            seconds = float(value)
        except OverflowError:
            raise ValueError("must be a finite number of seconds") from None
        if not math.isfinite(seconds):
            raise ValueError("must be a finite number of seconds")
        if seconds < 0:
            raise ValueError("must not be negative")
        return seconds
    if isinstance(value, str):
        match = _PATTERN.fullmatch(value)
        if match:
            hours, minutes, rest = match.groups()
            if minutes is None or float(rest) < 60:
                return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest)
        if value.startswith("-") and _PATTERN.fullmatch(value[1:]):
            raise ValueError("must not be negative")
        raise ValueError("must be a number of seconds or a time like 255.5, 4:15.5 or 3:24:15.5")
    raise ValueError("must be a number of seconds or a time like 3:24:15.5")


def exact(seconds: float) -> Fraction:
    """The decimal number as an exact fraction: 0.1 becomes 1/10, not the nearest float."""
    return Fraction(repr(seconds))


def format_seconds(seconds: float) -> str:
    """`h:mm:ss.mmm`, for messages."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{milliseconds / 1000:06.3f}"
