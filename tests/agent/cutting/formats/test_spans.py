"""Spans are sets of bytes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.cutting.formats.spans import Span, Spans, covers, joined, length, pieces, within, without

SPANS = st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), max_size=8)


def bytes_of(spans: list[Span] | Spans) -> set[int]:
    return {at for begin, end in spans for at in range(begin, end)}


def is_normal(spans: Spans) -> bool:
    return all(a < b for a, b in spans) and all(one[1] < two[0] for one, two in pairwise(spans))


@given(SPANS)
def test_joined_spans_hold_the_same_bytes(spans: list[Span]) -> None:
    assert bytes_of(joined(spans)) == bytes_of(spans)
    assert is_normal(joined(spans))
    assert length(joined(spans)) == len(bytes_of(spans))


@given(SPANS, st.integers(0, 10))
def test_a_gap_is_filled_where_it_is_small(spans: list[Span], gap: int) -> None:
    found = joined(spans, gap)
    assert bytes_of(found) >= bytes_of(spans)
    assert all(two[0] - one[1] > gap for one, two in pairwise(found))
    assert within(found, 30) == joined((max(0, a), min(b, 30)) for a, b in found)


@given(SPANS, SPANS)
def test_without_leaves_what_is_not_in_the_others(spans: list[Span], others: list[Span]) -> None:
    found = without(spans, others)
    assert bytes_of(found) == bytes_of(spans) - bytes_of(others)
    assert is_normal(found)


@given(SPANS, st.integers(-5, 40), st.integers(-5, 40))
def test_covers_says_whether_all_bytes_are_there(spans: list[Span], begin: int, end: int) -> None:
    assert covers(joined(spans), begin, end) == (set(range(begin, end)) <= bytes_of(spans))


@given(SPANS, st.integers(1, 9))
def test_pieces_are_small_and_complete(spans: list[Span], most: int) -> None:
    found = list(pieces(joined(spans), most))
    assert all(0 < end - begin <= most for begin, end in found)
    assert sum(end - begin for begin, end in found) == len(bytes_of(spans))
    assert bytes_of(found) == bytes_of(spans)
