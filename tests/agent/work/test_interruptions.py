"""A cancelled clip ends; a clip that is given back is left to the next attempt. At every step."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from agent.work.job import Job
from agent.work.job_state import State
from clipping.contract.messages import CompletionMessage
from clipping.errors import GivenBack, SigningUnavailable
from tests.agent.bench import Bench
from tests.support.held import hold_cut


def while_cutting(bench: Bench, act: Callable[[Job], None]) -> CompletionMessage | BaseException:
    """The completion or the error of a clip whose cut is stopped while `act` is called."""
    message = bench.message(start_seconds=0, end_seconds=50, mode="encode")
    job = Job(message.request_id, 0.0)

    def meanwhile() -> None:
        held = hold_cut(os.getpid(), bench.spool_of(message))
        act(job)
        held.release()

    end = bench.attempt(message, job, meanwhile)
    assert not bench.spool_of(message).exists()
    assert bench.clips() == []
    return end


def test_a_clip_that_is_cancelled_while_it_is_cut_ends_as_cancelled(bench: Bench) -> None:
    end = while_cutting(bench, Job.cancel)
    assert isinstance(end, CompletionMessage)
    assert (end.status, end.error) == ("cancelled", None)
    assert [one.status for one in bench.published()] == ["cancelled"]


def test_a_clip_that_is_given_back_while_it_is_cut_publishes_nothing(bench: Bench) -> None:
    assert isinstance(while_cutting(bench, Job.give_back), GivenBack)
    assert bench.published() == []
    assert bench.waits() == [], "it is not reported as a retry"


def test_giving_back_wins_over_a_cancellation_that_was_not_acted_on(bench: Bench) -> None:
    def both(job: Job) -> None:
        job.give_back()
        job.cancel()

    assert isinstance(while_cutting(bench, both), GivenBack)
    assert bench.published() == []


def test_a_clip_that_is_given_back_before_the_upload_uploads_nothing(bench: Bench) -> None:
    message = bench.message()
    job = Job(message.request_id, 0.0)
    job.give_back()
    with pytest.raises(GivenBack):
        bench.runner.run(message, job, attempt=1)
    assert (bench.clips(), bench.published()) == ([], [])


def test_a_clip_that_is_given_back_in_an_outage_after_its_cancellation_is_left_to_the_next_attempt(
    bench: Bench,
) -> None:
    bench.break_signing()
    message = bench.message()
    job = Job(message.request_id, 0.0)
    with bench.when_uploaded(job.give_back), pytest.raises(SigningUnavailable):
        bench.runner.run(message, job, attempt=20)  # not even at the last delivery
    assert job.state is State.GIVEN_BACK
    assert bench.published() == []
