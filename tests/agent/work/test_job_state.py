"""The state of a job: its transitions, also from many threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cutting import Reason
from agent.work.job import Job
from agent.work.job_state import ENDED, INTERRUPTED, Event, IllegalTransition, State, after

REQUESTS = (Event.CANCEL, Event.GIVE_BACK)
"""They come from other threads, at any time."""
ENDS = (Event.COMPLETE, Event.RELEASE, Event.DEFER)
requests = st.lists(st.sampled_from(REQUESTS))


def run(*events: Event) -> State:
    state = State.RUNNING
    for event in events:
        state = after(state, event)
    return state


def test_every_state_is_running_interrupted_or_ended() -> None:
    assert {State.RUNNING} | INTERRUPTED | ENDED == set(State)
    assert not INTERRUPTED & ENDED


@given(requests)
def test_requests_interrupt_and_giving_back_wins(asked: list[Event]) -> None:
    state = run(*asked)
    if Event.GIVE_BACK in asked:
        assert state is State.GIVEN_BACK
    elif asked:
        assert state is State.CANCELLED
    else:
        assert state is State.RUNNING


@given(requests, st.sampled_from(ENDS), requests)
def test_work_can_end_in_every_state_and_stays_ended(
    before: list[Event], end: Event, late: list[Event]
) -> None:
    state = run(*before, end)
    assert state in ENDED
    assert (state is State.COMPLETED) == (end is Event.COMPLETE)
    assert (state is State.DEFERRED) == (end is Event.DEFER and not before), "what is to stop is not kept"
    later = run(*before, end, *late)
    if state is State.DEFERRED and late:
        assert later is State.RELEASED
    else:
        assert later is state


@given(requests, st.sampled_from(ENDS), requests, st.sampled_from(ENDS))
def test_work_ends_once(before: list[Event], end: Event, between: list[Event], again: Event) -> None:
    state = run(*before, end, *between)
    if again is Event.RELEASE and state in (State.DEFERRED, State.RELEASED):
        assert after(state, again) is State.RELEASED
    else:
        with pytest.raises(IllegalTransition):
            after(state, again)


@given(requests)
def test_the_engine_learns_the_reason(asked: list[Event]) -> None:
    job = Job("clip-1", 0.0)
    for event in asked:
        (job.cancel if event is Event.CANCEL else job.give_back)()
    reasons = {State.RUNNING: None, State.CANCELLED: Reason.CANCELLED, State.GIVEN_BACK: Reason.GIVEN_BACK}
    assert job.interruption.reason is reasons[job.state]


def test_a_late_request_to_stop_interrupts_nothing() -> None:
    job = Job("clip-1", 0.0)
    job.complete()
    job.cancel()
    job.give_back()
    assert (job.state, job.interruption.reason) == (State.COMPLETED, None)


def test_threads_that_ask_and_end_at_once_leave_one_end() -> None:
    for number in range(200):
        job = Job("clip-1", 0.0)
        start = threading.Barrier(4)
        kept: list[bool] = []

        def at_once(act: object, start: threading.Barrier = start) -> None:
            start.wait(30)
            act()  # type: ignore[operator]

        def end(job: Job = job, number: int = number, kept: list[bool] = kept) -> None:
            if number % 2:
                job.complete()
            else:
                kept.append(job.defer())

        acts = (job.cancel, job.give_back, end)
        threads = [threading.Thread(target=at_once, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        start.wait(30)
        assert job.wait(30, *ENDED)
        for thread in threads:
            thread.join(30)
        assert job.state is (State.COMPLETED if number % 2 else State.RELEASED)


def test_who_waits_is_woken_by_the_states_it_waits_for() -> None:
    job = Job("clip-1", 0.0)
    ended: list[bool] = []
    joined = threading.Thread(target=lambda: ended.append(job.wait(60, *ENDED)))
    joined.start()
    job.cancel()
    assert job.wait(0, State.CANCELLED)
    assert not job.wait(0, State.GIVEN_BACK)
    assert joined.is_alive()
    job.release()
    joined.join(60)
    assert ended == [True]
