"""A member's place in the state table, as a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.cluster.progress import BUSY_SECONDS, Progress
from health.election.observation import (
    Abort,
    Acquire,
    Action,
    Answer,
    Begin,
    Drain,
    Exit,
    Read,
    Release,
    Resign,
)
from health.election.roles import State
from health.election.timings import RESIGNED_SECONDS
from tests.ha.observed import TIMINGS

RESIGN = Resign("nas-2", "planned", True)
ACTIONS: st.SearchStrategy[Action] = st.sampled_from(
    [
        Begin(),
        Drain(False),
        Drain(True),
        Abort(),
        Read(),
        Acquire("free", "released"),
        Release(),
        RESIGN,
        Resign(None, "asked to stop", False),
        Answer("op-1", True, "as requested"),
        Exit(78),
    ]
)
CHANGES = st.lists(st.one_of(st.sampled_from(State), ACTIONS), max_size=30)


def after(changes: list[State | Action]) -> Progress:
    """A second passes before each change."""
    progress = Progress(since=0.0)
    for now, change in enumerate(changes, 1):
        if isinstance(change, State):
            progress = progress.enter(change, now, candidate_wait=0.0)
        else:
            progress = progress.after(change, now)
    return progress


def draining() -> Progress:
    return after([State.ACTIVE, State.DRAINING, Drain(False), RESIGN])


@given(CHANGES)
def test_a_new_term_and_a_standby_start_without_state_of_the_previous_drain(
    changes: list[State | Action],
) -> None:
    for state in (State.STANDBY, State.ACTIVE):
        begun = after(changes).enter(state, 99.0, candidate_wait=0.0)
        assert (begun.aborted_at, begun.releasing_since, begun.released) == (None, None, False)
        assert (begun.release, begun.since) == (None, 99.0)


@given(CHANGES)
def test_the_first_attempt_to_release_is_the_one_that_counts(changes: list[State | Action]) -> None:
    releasing = after(changes).after(Release(), 50.0)
    assert releasing.after(Release(), 51.0) == releasing
    assert not releasing.keeps_lease, "a renewal that the store confirms later must not extend the lease"


@given(CHANGES, st.floats(0, 1e6), st.floats(-1e3, 1e3))
def test_a_step_is_due_within_a_tick_and_when_the_guard_runs_out(
    changes: list[State | Action], now: float, remaining: float
) -> None:
    progress = after(changes)
    due = progress.due(now, timings=TIMINGS, guard_remaining=remaining)
    assert due <= now + TIMINGS.tick
    if progress.state in (State.ACTIVE, State.DRAINING):
        assert due <= now + max(0.0, remaining)
        assert progress.due(now, timings=TIMINGS, guard_remaining=None) > now
    if progress.state in (State.DRAINING, State.FENCED):
        assert due <= now + BUSY_SECONDS


def test_a_release_goes_to_the_target_of_the_resignation() -> None:
    progress = draining()
    assert (progress.release, progress.keeps_lease) == (None, True)
    assert progress.after(Release(), 9.0).release == RESIGN


def test_a_release_that_is_confirmed_after_its_drain_does_not_count_for_the_next_drain() -> None:
    released = draining().after(Release(), 9.0)
    assert released.confirm_release().released
    late = released.enter(State.STANDBY, 30.0, candidate_wait=0.0).confirm_release()
    assert not late.released


@pytest.mark.parametrize(("hold", "until"), [(True, 300.0 + RESIGNED_SECONDS), (False, float("-inf"))])
def test_an_agent_that_resigned_holds_back_from_the_end_of_its_drain(hold: bool, until: float) -> None:
    drained = draining().after(Resign(None, "by its operator", hold), 5.0)
    assert drained.enter(State.STANDBY, 300.0, candidate_wait=0.0).resigned_until == until


def test_streams_are_closed_by_a_drain_and_by_an_abort() -> None:
    opened = Progress(since=0.0, streams_open=True)
    assert not opened.after(Drain(False), 1.0).streams_open
    assert not opened.after(Abort(), 1.0).streams_open


def test_an_answer_is_kept_with_its_operation() -> None:
    assert Progress(since=0.0).answered is None
    assert after([Answer("op-1", False, "no agent can take over")]).answered == "op-1"
