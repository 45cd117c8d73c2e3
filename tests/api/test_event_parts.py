"""The parts of event streams: the events for a change, and one client's connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from api.events.changes import Seen, changes, frames, last_event_id
from api.events.stream import LINGER_SECONDS, MAX_PENDING_BYTES, Stream
from tests.api.messages import NOW

QUEUED = Seen(
    revision=1,
    status="queued",
    stage="waiting",
    progress_percent=0.0,
    parts=None,
    attempt=0,
    last_error=None,
    next_attempt_at=None,
    agent_id=None,
    checkpoint=None,
    resumed_count=0,
    body=b'{"status":"queued"}',
)
WORKING = replace(
    QUEUED,
    revision=2,
    status="processing",
    stage="cutting",
    progress_percent=10.0,
    attempt=1,
    agent_id="nas-1",
)


WAITING = replace(WORKING, revision=3, stage="retrying", last_error={"code": "NO_SPACE"}, next_attempt_at=NOW)


@pytest.mark.parametrize(
    ("before", "now", "events"),
    [
        (None, QUEUED, ["status"]),
        (None, replace(WORKING, status="completed"), ["status", "completed"]),
        (QUEUED, QUEUED, []),
        (QUEUED, WORKING, ["status"]),
        (WORKING, replace(WORKING, revision=3, progress_percent=20.0), ["progress"]),
        (WORKING, replace(WORKING, revision=3, stage="uploading"), ["progress"]),
        (WORKING, replace(WORKING, revision=3, attempt=2, agent_id="nas-2"), ["status"]),
        (WORKING, replace(WORKING, revision=3, checkpoint={"frame": 250}), ["checkpoint"]),
        (
            WORKING,
            replace(WORKING, revision=3, checkpoint={"frame": 250}, progress_percent=20.0),
            ["checkpoint", "progress"],
        ),
        (
            replace(WORKING, checkpoint={"frame": 250}),
            replace(WORKING, revision=3, checkpoint={"frame": 250, "resumed_count": 1}, resumed_count=1),
            ["resumed"],
        ),
        (
            replace(WORKING, checkpoint={"frame": 250}),
            replace(WORKING, revision=3, attempt=2, checkpoint={"frame": 250}, resumed_count=1),
            ["status", "resumed"],
        ),
        (
            replace(WORKING, checkpoint={"frame": 250}),
            replace(WORKING, revision=3, checkpoint={"frame": 250}, progress_percent=20.0),
            ["progress"],
        ),
        (replace(WORKING, checkpoint={"frame": 250}), replace(WORKING, revision=3), ["status"]),
        (WORKING, replace(WAITING, checkpoint={"frame": 250}), ["checkpoint", "retrying"]),
        (WORKING, WAITING, ["retrying"]),
        (QUEUED, WAITING, ["status", "retrying"]),
        (WAITING, replace(WAITING, revision=4), ["status"]),
        (WAITING, replace(WAITING, revision=4, last_error={"code": "TIME_LIMIT"}), ["retrying"]),
        (WAITING, replace(WAITING, revision=4, next_attempt_at=NOW + timedelta(seconds=2)), ["retrying"]),
        (WAITING, replace(WAITING, revision=4, progress_percent=20.0), ["status"]),
        (WAITING, replace(WAITING, revision=4, stage="uploading", next_attempt_at=None), ["progress"]),
        (WAITING, replace(WAITING, revision=4, stage="probing", attempt=2), ["status"]),
        (WAITING, replace(WAITING, revision=4, status="failed", stage=None), ["failed"]),
        (WORKING, replace(QUEUED, revision=3), ["status"]),
        (WORKING, replace(WORKING, revision=3), ["status"]),
        (WORKING, replace(WORKING, revision=3, status="failed"), ["failed"]),
        (WORKING, replace(WORKING, revision=3, status="cancelled"), ["cancelled"]),
        (replace(WORKING, status="failed"), replace(WORKING, revision=3, status="completed"), ["completed"]),
    ],
)
def test_events_of_a_change(before: Seen | None, now: Seen, events: list[str]) -> None:
    assert changes(before, now) == events


def test_events_as_they_travel() -> None:
    now = replace(WORKING, body=b'{"a":1}')
    assert frames(["status", "retrying"], now) == (
        b'event: status\ndata: {"a":1}\n\nevent: retrying\ndata: {"a":1}\nid: 2\n\n'
    )
    assert frames([], now) == b""


@pytest.mark.parametrize(
    ("header", "revision"),
    [
        ("7", 7),
        (" 7 ", 7),
        (None, None),
        ("", None),
        ("-7", None),
        ("7a", None),
        ("٧", None),
        ("9" * 19, None),
    ],
)
def test_what_a_client_has_seen(header: str | None, revision: int | None) -> None:
    assert last_event_id(header) == revision


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(30)
    yield ours, theirs
    ours.close()
    theirs.close()


Pair = tuple[socket.socket, socket.socket]


def read_all(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


def test_a_finished_stream_gets_everything_out_before_it_closes(pair: Pair) -> None:
    ours, theirs = pair
    stream = Stream(ours, b"HEAD", chunked=True, now=0.0)
    assert stream.write(b"data: x\n\n", 1.0)
    assert stream.end(2.0)
    assert stream.close_by == 2.0 + LINGER_SECONDS
    received = read_all(theirs)
    assert received.startswith(b"HEAD")
    assert b"9\r\ndata: x\n\n\r\n" in received
    assert received.endswith(b"0\r\n\r\n")
    assert stream.write(b"more", 3.0)  # of no effect
    assert stream.drain_input()
    theirs.close()
    assert not stream.drain_input()


def test_without_chunks_the_body_is_plain(pair: Pair) -> None:
    ours, theirs = pair
    stream = Stream(ours, b"HEAD", chunked=False, now=0.0)
    stream.write(b"data: x\n\n", 1.0)
    stream.end(2.0)
    assert read_all(theirs).endswith(b"\n\ndata: x\n\n")


def test_a_client_that_takes_nothing_is_given_up(pair: Pair) -> None:
    ours, theirs = pair
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    stream = Stream(ours, b"", chunked=True, now=0.0)
    piece = b"x" * 4000
    taken = 0
    while stream.write(piece, 1.0):
        taken += len(piece)
        assert taken < 100 * MAX_PENDING_BYTES
    assert taken > MAX_PENDING_BYTES / 2
    theirs.recv(65536)  # too late for this stream


def test_a_client_that_is_gone_is_noticed(pair: Pair) -> None:
    ours, theirs = pair
    stream = Stream(ours, b"", chunked=True, now=0.0)
    theirs.close()
    assert not stream.write(b"x", 1.0)
    assert not stream.drain_input()
