"""What a cut finds damaged in its recording, and how that is reported. Pure."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from agent.cutting.formats.media import StreamInfo

MOST_WARNINGS = 8
UNDECODABLE = "data that can't be decoded"
_ONE_PLACE = Fraction(1)
"""Seconds: what is found in one stream with no longer pauses than this is one place."""
_MOST_FINDINGS = 10_000
_FEW_FLAGGED = Fraction(1, 4)
"""A stream of which a larger share is flagged as incomplete is one whose multiplexer counts otherwise."""


@dataclass(frozen=True)
class Finding:
    """One damaged packet or frame."""

    at: Fraction
    """Seconds of the recording, as a player shows them."""
    stream: str
    """`the video`, `audio stream 1` …"""
    why: str


class Damage:
    """Collects findings, from any thread."""

    def __init__(self, zero: Fraction) -> None:
        """`zero`: where a player's 0:00 lies on the container's own time line."""
        self._zero = zero
        self._lock = threading.Lock()
        self._found: list[Finding] = []
        self._flagged: list[Finding] = []
        self._last: defaultdict[str, list[Finding]] = defaultdict(list)
        self._seen: Counter[str] = Counter()
        self._flags: Counter[str] = Counter()

    def add(self, at: Fraction, stream: str, why: str) -> None:
        """Something damaged at `at` seconds on the container's own time line."""
        with self._lock:
            if len(self._found) < _MOST_FINDINGS:
                self._found.append(Finding(at - self._zero, stream, why))

    def flag(self, at: Fraction, stream: str, why: str) -> None:
        """A packet that its container calls damaged. It counts unless most are called so, and when another
        one follows: where a recording ends, it may end within a packet."""
        with self._lock:
            self._seen[stream] += 1
            self._flags[stream] += 1
            self._last[stream].append(Finding(at - self._zero, stream, why))

    def good(self, stream: str) -> None:
        """A packet in order."""
        with self._lock:
            self._seen[stream] += 1
            if self._last[stream]:
                self._flagged += self._last.pop(stream)[: _MOST_FINDINGS - len(self._flagged)]

    def clear(self) -> None:
        """Forget everything: it lies before what the clip needs."""
        with self._lock:
            self._found.clear()
            self._flagged.clear()
            self._last.clear()

    @property
    def found(self) -> tuple[Finding, ...]:
        """Everything, in the order of time."""
        with self._lock:
            flagged = [
                f for f in self._flagged if self._flags[f.stream] <= _FEW_FLAGGED * self._seen[f.stream]
            ]
            return tuple(sorted({*self._found, *flagged}, key=_order))


def _order(finding: Finding) -> tuple[Fraction, bool, str, str]:
    # Why data can't be decoded says more than that it can't.
    return finding.at, finding.why == UNDECODABLE, finding.stream, finding.why


def stream_name(info: StreamInfo) -> str:
    """How messages call a stream."""
    return "the video" if info.kind == "video" else f"{info.kind} stream {info.index}"


def places(findings: Iterable[Finding]) -> list[tuple[Finding, Fraction]]:
    """The first finding of each damaged place, and where that place ends; in the order of time."""
    merged: list[tuple[Finding, Fraction]] = []
    latest: dict[str, int] = {}
    for finding in sorted(findings, key=_order):
        index = latest.get(finding.stream)
        if index is not None and finding.at - merged[index][1] <= _ONE_PLACE:
            merged[index] = (merged[index][0], finding.at)
        else:
            latest[finding.stream] = len(merged)
            merged.append((finding, finding.at))
    return merged


def described(first: Finding, end: Fraction) -> str:
    """One damaged place in words."""
    upto = f" to {float(end):.3f} s" if end > first.at else ""
    return f"damaged data at {float(first.at):.3f} s{upto}: {first.why} in {first.stream}"


def warnings(findings: Iterable[Finding]) -> list[str]:
    """What a report says of them: at most `MOST_WARNINGS`, the last of which counts those left out."""
    found = places(findings)
    if len(found) <= MOST_WARNINGS:
        return [described(*place) for place in found]
    kept, rest = found[: MOST_WARNINGS - 1], found[MOST_WARNINGS - 1 :]
    last = f"the last at {float(rest[-1][0].at):.3f} s"
    return [*(described(*place) for place in kept), f"damaged data at {len(rest)} more places, {last}"]
