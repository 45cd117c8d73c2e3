"""The clock that decisions use, so that tests and models can set it.

Elections, leases, message handling and stored times take a `Clock`. Code that only measures a duration or
limits a wait within its process (HTTP deadlines, progress of a cut, start and stop of processes, the command
line) reads `time` directly.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799
"""Seconds since 1970: the years 1 to 9999."""


class Clock(Protocol):
    """Wall time for display, monotonic time for waiting. Never compare wall times of two machines."""

    def now(self) -> datetime:
        """The wall time in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an unspecified start; includes time in suspend (CLOCK_BOOTTIME)."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that only `sleep` and `advance` move. For tests and models."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._origin = self._now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._origin).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now += timedelta(seconds=seconds)


def moment_of(seconds: float) -> datetime:
    """Seconds since 1970 as a time in UTC; of what no date can state, as files may claim, the nearest one."""
    return datetime.fromtimestamp(min(max(seconds, _EARLIEST), _LATEST), UTC)


def rfc3339(moment: datetime) -> str:
    """`2026-11-20T08:15:30.123Z`: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: object) -> datetime:
    """Parse an RFC 3339 time into an aware `datetime` in UTC. Raises `ValueError` that states the problem."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise ValueError("must be a time such as 2026-11-20T08:15:30Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is a time that does not exist") from None
