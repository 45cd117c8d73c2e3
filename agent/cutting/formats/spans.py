"""Sets of bytes of a file, as spans: from byte, to byte. Pure.

What is returned is sorted, and its spans neither overlap nor touch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

Span = tuple[int, int]
Spans = tuple[Span, ...]


def joined(spans: Iterable[Span], gap: int = 0) -> Spans:
    """All of them; those with at most `gap` bytes between them become one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if found and begin <= found[-1][1] + gap:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return tuple(found)


def without(spans: Iterable[Span], others: Iterable[Span]) -> Spans:
    """What of `spans` is not in `others`."""
    rest: list[Span] = []
    taken = joined(others)
    for begin, end in joined(spans):
        at = begin
        for start, stop in taken[max(0, _index(taken, begin)) :]:
            if start >= end:
                break
            if at < start:
                rest.append((at, start))
            at = max(at, stop)
        if at < end:
            rest.append((at, end))
    return tuple(rest)


def within(spans: Iterable[Span], size: int) -> Spans:
    """What of `spans` is in a file of this size."""
    return joined((max(0, begin), min(end, size)) for begin, end in spans)


def covers(spans: Sequence[Span], begin: int, end: int) -> bool:
    """Whether all from `begin` to `end` is in `spans`, which are as returned here."""
    if begin >= end:
        return True
    at = _index(spans, begin)
    return at >= 0 and end <= spans[at][1]


def pieces(spans: Iterable[Span], most: int) -> Iterator[Span]:
    """The spans, cut into pieces of at most this many bytes."""
    for begin, end in spans:
        for at in range(begin, end, most):
            yield at, min(end, at + most)


def length(spans: Iterable[Span]) -> int:
    """The bytes of all."""
    return sum(end - begin for begin, end in spans)


def _index(spans: Sequence[Span], at: int) -> int:
    """The last span that begins at or before `at`; -1: none."""
    return bisect_right(spans, at, key=lambda span: span[0]) - 1
