"""What messages do to a request, in every order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import reduce
from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain.request_state import (
    State,
    after_silence,
    cancelled,
    given_up,
    lost,
    merge,
    published_again,
    visible_change,
)
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import PartStage, Stage
from clipping.contract.messages import CompletionMessage, LastError, PartProgress, ProgressMessage
from tests.api.messages import NOW, completed, failed, progress, retrying

Message = CompletionMessage | ProgressMessage


def reached(finished: int, *, resumed_count: int = 0) -> Checkpoint:
    """With `finished` of 5 segments, of 250 frames each."""
    return Checkpoint(
        frame=250 * finished, total=1250, segment=finished, segments=5, resumed_count=resumed_count
    )


stages = st.sampled_from(get_args(Stage))
checkpoints = st.none() | st.builds(
    lambda finished, resumed: reached(finished, resumed_count=resumed),
    st.integers(0, 3),
    st.integers(0, 2),
)
moments = st.integers(0, 3).map(lambda seconds: NOW + timedelta(seconds=seconds))
errors = st.builds(
    lambda code, at: LastError(code=code, message="why", at=at),
    st.sampled_from(["STORE_UNAVAILABLE", "NO_SPACE"]),
    moments,
)
parts = st.none() | st.lists(
    st.builds(
        PartProgress,
        index=st.integers(0, 2),
        stage=st.sampled_from(get_args(PartStage)),
        progress_percent=st.floats(-10, 110),
    ),
    max_size=3,
).map(tuple)
progresses = st.builds(
    lambda reported, error, retry_at, checkpoint, stage, percent, agent, epoch, attempt, seq: progress(
        parts=reported,
        last_error=error,
        next_attempt_at=retry_at,
        stage=stage,
        progress_percent=percent,
        agent_id=agent,
        epoch=epoch,
        attempt=attempt,
        seq=seq,
        checkpoint=checkpoint,
    ),
    parts,
    st.none() | errors,
    st.none() | moments,
    checkpoints,
    stages,
    st.floats(-10, 110),
    st.sampled_from(["nas-1", "nas-2"]),
    st.integers(0, 2),
    st.integers(1, 3),
    st.integers(0, 4),
)
failures = st.builds(
    lambda status, epoch, attempt, agent: failed(status=status, epoch=epoch, attempt=attempt, agent_id=agent),
    st.sampled_from(["failed", "cancelled"]),
    st.integers(0, 2),
    st.integers(1, 3),
    st.sampled_from(["nas-1", "nas-2"]),
)
last_words = failures.map(lambda message: message.model_copy(update={"epoch": 3}))
"""Of the agent that leads in the end."""


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


def at(index: int, stage: PartStage, percent: float) -> PartProgress:
    return PartProgress(index=index, stage=stage, progress_percent=percent)


def test_the_parts_of_a_reel_only_advance_within_an_attempt() -> None:
    state = after(progress(seq=2, parts=[at(1, "cutting", 30), at(0, "completed", 100)]))
    assert state.parts == (at(0, "completed", 100), at(1, "cutting", 30))
    late = merge(
        state, progress(seq=1, parts=[at(0, "cutting", 90), at(1, "cutting", 40), at(2, "probing", 0)])
    )
    assert late.parts == (at(0, "completed", 100), at(1, "cutting", 40), at(2, "probing", 0))
    assert visible_change(state, late)
    assert merge(late, progress(seq=3, stage="verifying")).parts == late.parts
    assert merge(late, progress(attempt=2, parts=[at(0, "probing", 0)])).parts == (at(0, "probing", 0),)
    assert merge(late, progress(attempt=2)).parts is None
    assert merge(late, completed()).parts is None


def test_a_part_has_0_to_100_percent() -> None:
    state = after(progress(parts=[at(0, "cutting", 130), at(1, "cutting", -3)]))
    assert state.parts == (at(0, "cutting", 100), at(1, "cutting", 0))


def resumed(messages: list[Message]) -> int:
    reported = [message.checkpoint for message in messages if isinstance(message, ProgressMessage)]
    return max((each.resumed_count for each in reported if each is not None), default=0)


@given(shuffled_twice(st.lists(progresses | failures, max_size=6).map(lambda some: [*some, completed()])))
def test_completed_gives_the_same_state_in_any_order(orders: tuple[list[Message], ...]) -> None:
    expected = replace(after(completed()), resumed_count=resumed(orders[0]))
    assert after(*orders[0]) == after(*orders[1]) == expected


@given(shuffled_twice(st.tuples(st.lists(progresses, max_size=6), last_words).map(lambda t: [*t[0], t[1]])))
def test_one_failure_gives_the_same_state_in_any_order(orders: tuple[list[Message], ...]) -> None:
    assert after(*orders[0]) == after(*orders[1])
    assert after(*orders[0]).completion == orders[0][-1]


@given(
    shuffled_twice(
        st.tuples(st.lists(progresses | failures, max_size=8), last_words).map(lambda t: [*t[0], t[1]])
    )
)
def test_when_the_last_leader_fails_it_ends_without_a_clip_in_any_order(
    orders: tuple[list[Message], ...],
) -> None:
    reported = {message.status for message in orders[0]} - {"processing"}
    for order in orders:
        assert after(*order).status in reported


@given(st.lists(progresses | failures | st.just(completed()), max_size=8))
def test_a_request_that_ended_stays_ended(messages: list[Message]) -> None:
    ended: State | None = None
    state = State()
    for message in messages:
        state = merge(state, message)
        if ended is not None:
            same = replace(state, resumed_count=0) == replace(ended, resumed_count=0)
            assert same or (ended.status != "completed" and state.status == "completed")
        if state.status in ("completed", "failed", "cancelled"):
            ended = state


@given(st.lists(progresses, min_size=1, max_size=10))
def test_percentage_never_decreases_within_an_attempt(messages: list[Message]) -> None:
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


def test_a_newer_leader_begins_again_whatever_attempt_it_is() -> None:
    older = progress(epoch=1, attempt=5, progress_percent=80.0, seq=9)
    newer = progress(epoch=2, attempt=1, progress_percent=5.0, seq=1, agent_id="nas-2")
    for order in ((older, newer), (newer, older)):
        state = after(*order)
        assert (state.epoch, state.attempt, state.progress_percent, state.agent_id) == (2, 1, 5.0, "nas-2")


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_a_deposed_leader_says_of_failing_is_ignored(status: str) -> None:
    state = after(progress(epoch=2))
    assert merge(state, failed(epoch=1, status=status)) is state
    assert merge(state, failed(epoch=2, status=status)).status == status


def test_a_cancelled_clip_is_cancelled_regardless_of_the_cause() -> None:
    stopped = failed(status="cancelled", error=None, error_message=None)
    by_agent, by_us = after(stopped), after(cancelled(request_id="r", hand_id="h", now=NOW))
    assert by_agent.completion is not None
    assert by_us.completion is not None
    assert by_us.completion.error is not None
    assert by_agent.completion.error == by_us.completion.error
    assert by_agent.completion.error_message == by_us.completion.error.message
    assert merge(by_agent, stopped) is by_agent


def test_a_deposed_leaders_clip_is_there() -> None:
    assert after(progress(epoch=2), completed(epoch=1)).status == "completed"
    assert after(progress(epoch=2), failed(epoch=2), completed(epoch=1)).status == "completed"


def test_an_agent_outside_any_election_is_never_deposed() -> None:
    assert after(progress(epoch=2), failed(epoch=0)).status == "failed"


def test_the_furthest_checkpoint_stands_and_restarts_are_counted() -> None:
    first = progress(seq=5, checkpoint=reached(4))
    again = progress(attempt=2, seq=1, checkpoint=reached(4, resumed_count=1))
    late = progress(seq=4, checkpoint=reached(3))
    for order in permutations([first, again, late]):
        state = after(*order)
        assert (state.checkpoint, state.resumed_count) == (again.checkpoint, 1)
    assert (after(first, completed()).checkpoint, after(again, completed()).resumed_count) == (None, 1)


def error_code(state: State) -> str | None:
    return state.last_failure.error.code if state.last_failure else None


def test_a_clip_that_waits_says_why_and_until_when() -> None:
    state = after(progress(seq=1, progress_percent=40.0), retrying("NO_SPACE", seq=2, progress_percent=40.0))
    assert (state.status, state.stage, state.attempt) == ("processing", "retrying", 1)
    assert (error_code(state), state.next_attempt_at) == ("NO_SPACE", NOW + timedelta(seconds=10))
    assert visible_change(after(progress()), state)


def test_the_next_attempt_ends_the_wait_and_keeps_the_error_until_the_request_ends() -> None:
    messages = [retrying(seq=2), progress(attempt=2, seq=1, stage="probing")]
    for order in permutations(messages):
        state = after(*order)
        assert (state.stage, state.attempt, state.next_attempt_at) == ("probing", 2, None)
        assert error_code(state) == "STORE_UNAVAILABLE"
        assert error_code(merge(state, completed())) is None
        assert error_code(merge(state, failed())) is None


def test_the_step_that_is_tried_again_ends_the_wait_too() -> None:
    state = after(retrying(seq=2), progress(seq=3, stage="uploading"))
    assert (state.stage, state.next_attempt_at, error_code(state)) == ("uploading", None, "STORE_UNAVAILABLE")


@pytest.mark.parametrize("older", [{"epoch": 1}, {"attempt": 1}, {"seq": 1}], ids=str)
def test_an_older_wait_changes_nothing_that_a_newer_message_said(older: dict[str, int]) -> None:
    now = {"epoch": 2, "attempt": 2, "seq": 2}
    working = after(progress(**now))
    assert replace(merge(working, retrying(**{**now, **older})), last_failure=None) == working
    waiting = after(retrying("NO_SPACE", **now))
    assert merge(waiting, retrying(**{**now, **older})) is waiting


def test_a_request_that_has_ended_waits_for_nothing() -> None:
    for end in (completed(), failed(), failed(status="cancelled")):
        ended = after(end)
        assert merge(ended, retrying(attempt=9, epoch=9, seq=9)) is ended
        assert after(retrying(), end) == ended


def test_a_republished_request_keeps_its_last_error_and_accepts_new_messages() -> None:
    again = published_again(after(retrying("NO_SPACE", epoch=3, attempt=7, seq=5)))
    assert (again.status, again.stage, again.next_attempt_at) == ("queued", "waiting", None)
    assert error_code(again) == "NO_SPACE"
    assert error_code(merge(again, retrying(epoch=3, attempt=1, seq=1))) == "STORE_UNAVAILABLE"


@given(st.lists(progresses, max_size=8))
def test_only_a_clip_that_waits_has_a_time_for_it(messages: list[Message]) -> None:
    state = after(*messages)
    assert state.next_attempt_at is None or state.stage == "retrying"
    reported = [m for m in messages if isinstance(m, ProgressMessage) and m.last_error is not None]
    newest = max(((m.epoch, m.attempt, m.seq) for m in reported), default=None)
    found = state.last_failure
    assert (None if found is None else (found.epoch, found.attempt, found.seq)) == newest


def test_watchers_receive_changes_only() -> None:
    state = after(progress(seq=1))
    assert not visible_change(state, merge(state, progress(seq=2)))
    assert visible_change(state, merge(state, progress(seq=2, progress_percent=51.0)))
    assert visible_change(state, merge(state, progress(seq=2, stage="verifying")))
    assert visible_change(state, merge(state, completed()))


def test_the_decision_after_silence_depends_on_the_tries() -> None:
    def verdict(state: State, *, cancelled: bool = False, tries: int = 0, held_up: bool = False) -> str:
        return after_silence(state, cancelled=cancelled, tries=tries, tries_allowed=2, held_up=held_up)

    running = after(progress())
    assert [verdict(running, tries=tries) for tries in range(4)] == [
        "publish",
        "publish",
        "give up",
        "give up",
    ]
    assert verdict(State()) == "publish"
    assert verdict(running, cancelled=True, tries=9) == "cancel"
    assert verdict(after(failed()), cancelled=True) == "leave"
    assert [verdict(running, tries=tries, held_up=True) for tries in (0, 9)] == ["wait", "wait"]
    assert verdict(running, cancelled=True, held_up=True) == "cancel"
    assert verdict(after(failed()), held_up=True) == "leave"


def test_our_own_ends_carry_their_codes() -> None:
    named = {"request_id": "r", "hand_id": "h", "now": NOW}
    gone = lost(**named, tries=3, silent_seconds=3600.0)
    dropped = cancelled(**named)
    assert gone.error is not None
    assert dropped.error is not None
    assert (gone.status, gone.error.code, dropped.status, dropped.error.code) == (
        "failed",
        "LOST",
        "cancelled",
        "CANCELLED",
    )
    assert "3600 s" in gone.error.message


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
