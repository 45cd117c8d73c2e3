"""The stream of events, in pieces of any size."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.client.events import MAX_LINE, Message, Reader, StreamBroken

STREAM = (
    b"\xef\xbb\xbf: a comment\r\n"
    b"retry: 2500\n"
    b"event: status\rdata: {\rdata:}\r\rid: 1\r\n\r\n"
    b": another\n\n"
    b"event: progress\nid: 2\ndata: h\xc3\xa4lfte\nunknown: field\n\n"
    b"data\n\n"
    b"id: with\0nul\ndata: last\n\n"
    b"event: dropped\ndata: has no end\n"
)
EVENTS = [
    Message(None, "status", "{\n}"),
    Message("2", "progress", "hälfte"),
    Message("2", "message", ""),
    Message("2", "message", "last"),
]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_it_is_read_the_same_in_whatever_pieces(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(edges)]
    reader = Reader()
    assert list(reader.read(pieces)) == EVENTS
    assert (reader.last_id, reader.retry_seconds) == ("2", 2.5)


def test_the_id_is_kept_over_streams_and_a_half_event_is_not() -> None:
    reader = Reader("7")
    assert list(reader.read([b"event: progress\ndata: half"])) == []
    assert list(reader.read([b"data: whole\n\n"])) == [Message("7", "message", "whole")]


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    with pytest.raises(StreamBroken):
        list(Reader().read([b"data: "] + [b"x" * 65536] * (MAX_LINE // 65536 + 1)))
