"""Collects and reports damage in a recording. Pure."""

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
"""Seconds: findings in one stream that are at most this far apart count as one place."""
_MOST_FINDINGS = 10_000
_FEW_FLAGGED = Fraction(1, 4)
"""If a larger share of a stream is flagged as incomplete, its multiplexer numbers packets differently."""


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
        """A packet that its container flags as damaged. It counts if most packets are not flagged, and if
        another one follows: a recording may end within a packet."""
        with self._lock:
            self._seen[stream] += 1
            self._flags[stream] += 1
            self._last[stream].append(Finding(at - self._zero, stream, why))

    def good(self, stream: str) -> None:
        """An intact packet."""
        with self._lock:
            self._seen[stream] += 1
            if self._last[stream]:
                self._flagged += self._last.pop(stream)[: _MOST_FINDINGS - len(self._flagged)]

    def clear(self) -> None:
        """Discard all findings: they lie before the clip."""
        with self._lock:
            self._found.clear()
            self._flagged.clear()
            self._last.clear()

    @property
    def found(self) -> tuple[Finding, ...]:
        """All findings, by time."""
        with self._lock:
            flagged = [
                f for f in self._flagged if self._flags[f.stream] <= _FEW_FLAGGED * self._seen[f.stream]
            ]
            return tuple(sorted({*self._found, *flagged}, key=_order))


def _order(finding: Finding) -> tuple[Fraction, bool, str, str]:
    # A specific reason is more useful than `UNDECODABLE`.
    return finding.at, finding.why == UNDECODABLE, finding.stream, finding.why


def stream_name(info: StreamInfo) -> str:
    """The name of a stream in messages."""
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
    """The text for one damaged place."""
    upto = f" to {float(end):.3f} s" if end > first.at else ""
    return f"damaged data at {float(first.at):.3f} s{upto}: {first.why} in {first.stream}"


def warnings(findings: Iterable[Finding]) -> list[str]:
    """The report's warnings: at most `MOST_WARNINGS`, the last of which counts the rest."""
    found = places(findings)
    if len(found) <= MOST_WARNINGS:
        return [described(*place) for place in found]
    kept, rest = found[: MOST_WARNINGS - 1], found[MOST_WARNINGS - 1 :]
    last = f"the last at {float(rest[-1][0].at):.3f} s"
    return [*(described(*place) for place in kept), f"damaged data at {len(rest)} more places, {last}"]
