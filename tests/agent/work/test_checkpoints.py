"""What is finished of a long encode is kept while the clip is unfinished, and reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.work.job import Job
from clipping.contract.messages import CompletionMessage, RequestMessage
from clipping.errors import GivenBack
from tests.agent.bench import Bench
from tests.support.waiting import eventually


def long_encode(bench: Bench) -> RequestMessage:
    return bench.message(start_seconds=0, end_seconds=55, mode="encode")


def when_kept(
    bench: Bench, message: RequestMessage, act: Callable[[Job], None], *, segments: int = 1
) -> CompletionMessage | BaseException:
    """The end of an attempt, in which `act` is called once `segments` are finished."""
    job = Job(message.request_id, 0.0)

    def meanwhile() -> None:
        eventually(lambda: len(kept(bench, message)) > segments, f"{segments} finished segments", within=90)
        act(job)

    return bench.attempt(message, job, meanwhile)


def kept(bench: Bench, message: RequestMessage) -> list[Path]:
    folder = bench.checkpoints_of(message)
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.slow
def test_a_clip_that_is_given_back_is_resumed_by_the_next_attempt(bench: Bench) -> None:
    message = long_encode(bench)
    assert isinstance(when_kept(bench, message, Job.give_back, segments=2), GivenBack)
    left = kept(bench, message)
    assert len(left) >= 3
    assert not bench.spool_of(message).exists()
    completion = bench.runner.run(message, Job(message.request_id, 0.0), attempt=2)
    assert completion.status == "completed"
    assert completion.report is not None
    assert completion.report.frames == 1375
    assert kept(bench, message) == []
    second = [one.checkpoint for one in bench.progressed() if one.attempt == 2 and one.checkpoint]
    assert second
    assert {one.resumed_count for one in second} == {1}
    assert min(one.segment for one in second) >= 2
    assert {(one.total, one.segments) for one in second} == {(1375, 5)}


@pytest.mark.slow
def test_a_clip_that_is_cancelled_keeps_nothing(bench: Bench) -> None:
    message = long_encode(bench)
    end = when_kept(bench, message, Job.cancel)
    assert isinstance(end, CompletionMessage)
    assert end.status == "cancelled"
    assert kept(bench, message) == []


@pytest.mark.slow
def test_a_clip_that_fails_keeps_nothing(bench: Bench) -> None:
    message = long_encode(bench)
    when_kept(bench, message, Job.give_back)
    assert kept(bench, message)
    bench.recording.rename(bench.recording.with_name("another.mp4"))
    completion = bench.runner.run(message, Job(message.request_id, 0.0), attempt=2)
    assert completion.status == "failed"
    assert kept(bench, message) == []


@pytest.mark.slow
def test_a_clip_that_was_uploaded_before_keeps_nothing(bench: Bench) -> None:
    message = bench.message()
    bench.runner.run(message, Job(message.request_id, 0.0), attempt=1)
    bench.checkpoints_of(message).mkdir(parents=True)
    completion = bench.runner.run(message, Job(message.request_id, 0.0), attempt=2)
    assert completion.status == "completed"
    assert not bench.checkpoints_of(message).exists()
