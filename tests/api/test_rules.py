"""What messages do to a request, in every order."""

from __future__ import annotations

from functools import reduce
from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.rules import State, given_up, merge
from clipping.messages import CompletionMessage, ProgressMessage, Stage
from tests.api.messages import NOW, completed, failed, progress

Message = CompletionMessage | ProgressMessage

stages = st.sampled_from(get_args(Stage))
progresses = st.builds(
    lambda stage, percent, agent, epoch, attempt, seq: progress(
        stage=stage, progress_percent=percent, agent_id=agent, epoch=epoch, attempt=attempt, seq=seq
    ),
    stages,
    st.floats(-10, 110),
    st.sampled_from(["nas-1", "nas-2"]),
    st.integers(0, 2),
    st.integers(1, 3),
    st.integers(0, 4),
)
failures = st.builds(
    lambda status, attempt, agent: failed(status=status, attempt=attempt, agent_id=agent),
    st.sampled_from(["failed", "cancelled"]),
    st.integers(1, 3),
    st.sampled_from(["nas-1", "nas-2"]),
)


def after(*messages: Message) -> State:
    return reduce(merge, messages, State())


@st.composite
def shuffled_twice(draw: st.DrawFn, messages: st.SearchStrategy[list[Message]]) -> tuple[list[Message], ...]:
    """The same messages in two orders, some of them several times in the second."""
    first = draw(messages)
    again = draw(st.lists(st.sampled_from(first), max_size=5)) if first else []
    return first, draw(st.permutations(first + again))


@given(shuffled_twice(st.lists(progresses, max_size=8)))
def test_progress_in_any_order_and_any_number_gives_the_same_state(orders: tuple[list[Message], ...]) -> None:
    assert after(*orders[0]) == after(*orders[1])


@given(shuffled_twice(st.lists(progresses | failures, max_size=6).map(lambda some: [*some, completed()])))
def test_completed_gives_the_same_state_in_any_order(orders: tuple[list[Message], ...]) -> None:
    assert after(*orders[0]) == after(*orders[1]) == after(completed())


@given(shuffled_twice(st.tuples(st.lists(progresses, max_size=6), failures).map(lambda t: [*t[0], t[1]])))
def test_one_failure_gives_the_same_state_in_any_order(orders: tuple[list[Message], ...]) -> None:
    assert after(*orders[0]) == after(*orders[1])
    assert after(*orders[0]).status in ("failed", "cancelled")


@given(st.lists(progresses | failures | st.just(completed()), max_size=8))
def test_a_request_that_ended_stays_ended(messages: list[Message]) -> None:
    ended: State | None = None
    state = State()
    for message in messages:
        state = merge(state, message)
        if ended is not None:
            assert state == ended or (ended.status != "completed" and state.status == "completed")
        if state.status in ("completed", "failed", "cancelled"):
            ended = state


@given(st.lists(progresses, min_size=1, max_size=10))
def test_percentage_never_goes_back_within_an_attempt(messages: list[Message]) -> None:
    state = State()
    for message in messages:
        before, state = state, merge(state, message)
        assert (state.epoch, state.attempt) >= (before.epoch, before.attempt)
        assert 0 <= (state.progress_percent or 0) <= 100
        same = (state.epoch, state.attempt) == (before.epoch, before.attempt)
        if before.status == "processing" and same:
            assert (state.progress_percent or 0) >= (before.progress_percent or 0)


@given(st.lists(progresses | failures | st.just(completed()), max_size=6))
def test_a_message_that_was_seen_changes_nothing(messages: list[Message]) -> None:
    state = after(*messages)
    for message in messages:
        assert merge(state, message) is state


def test_progress_starts_a_queued_request() -> None:
    state = after(progress(stage="probing", progress_percent=0.0))
    assert (state.status, state.stage, state.agent_id, state.attempt) == ("processing", "probing", "nas-1", 1)


def test_a_new_attempt_begins_again() -> None:
    state = after(
        progress(progress_percent=80.0, seq=9), progress(attempt=2, progress_percent=5.0, seq=1, agent_id="b")
    )
    assert (state.attempt, state.progress_percent, state.seq, state.agent_id) == (2, 5.0, 1, "b")


def test_an_older_attempt_says_nothing() -> None:
    state = after(progress(attempt=2, progress_percent=5.0))
    assert merge(state, progress(attempt=1, progress_percent=90.0, seq=99)) is state


def test_an_older_message_does_not_bring_back_its_stage() -> None:
    state = after(progress(stage="uploading", seq=5), progress(stage="cutting", seq=4))
    assert (state.stage, state.seq) == ("uploading", 5)


@pytest.mark.parametrize(("sent", "shown"), [(-5.0, 0.0), (180.0, 100.0)])
def test_an_impossible_percentage_is_bounded(sent: float, shown: float) -> None:
    assert after(progress(progress_percent=sent)).progress_percent == shown


def test_completed_is_final_and_the_first_one_stands() -> None:
    first, second = completed(agent_id="nas-1"), completed(agent_id="nas-2", epoch=3)
    for other in (second, failed(), failed(status="cancelled"), progress(attempt=9)):
        assert after(first, other) == after(first)


def test_the_first_failure_stands() -> None:
    assert after(failed("NO_SPACE"), failed("TIME_LIMIT")) == after(failed("NO_SPACE"))
    assert after(failed(), failed(status="cancelled")).status == "failed"
    assert after(failed(status="cancelled"), failed()).status == "cancelled"


def test_a_clip_that_is_there_overrides_a_failure() -> None:
    lost = given_up(request_id="r", hand_id="h", attempts=20, now=NOW)
    messages: list[Message] = [lost, completed(), progress()]
    for order in permutations(messages):
        assert after(*order) == after(completed())


def test_an_ended_request_has_no_stage() -> None:
    assert (after(completed()).stage, after(completed()).progress_percent) == (None, 100.0)
    assert (after(progress(), failed()).stage, after(progress(), failed()).progress_percent) == (None, None)


def test_giving_up_says_how_often_it_was_tried() -> None:
    message = given_up(request_id="r", hand_id="h", attempts=20, now=NOW)
    assert message.error is not None
    assert message.error.code == "LOST"
    assert "20 attempts" in message.error.message
    assert message.error_message == message.error.message
    assert after(message).agent_id is None
