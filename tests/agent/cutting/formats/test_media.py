"""The identity of an object: the same on every agent, another for each state."""

from __future__ import annotations

from datetime import UTC, datetime

from agent.cutting.formats.media import Identity

URI, WHEN = "s3://originals/night.mp4", datetime(2026, 11, 20, 7, 58, 4, 123456, UTC)


def test_an_object_is_the_same_on_every_agent() -> None:
    assert Identity.of_object(URI, '"1"', 7, WHEN) == Identity.of_object(URI, '"1"', 7, WHEN)


def test_checkpoints_distinguish_what_was_replaced_within_a_second() -> None:
    states = [Identity.of_object(URI, etag, 7, WHEN) for etag in ('"1"', '"2"')]
    states.append(Identity.of_object(URI + "x", '"1"', 7, WHEN))
    assert len({(state.size, state.mtime_ns) for state in states}) == len(states)
    assert {state.mtime_ns // 1_000_000_000 for state in states} == {int(WHEN.timestamp())}
