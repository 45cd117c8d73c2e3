"""An agent whose lease has expired uploads and publishes nothing, at every step."""

from __future__ import annotations

import os
import threading

import pytest

from agent.work.job import Job
from clipping.errors import LeaseLost
from tests.agent.bench import DEADLINE, EPOCH, Bench
from tests.support.held import hold_cut


def test_under_a_good_lease_everything_carries_its_epoch(bench: Bench) -> None:
    message = bench.message()
    completion = bench.runner.run(message, Job(message.request_id, 0.0), attempt=1)
    assert (completion.status, completion.epoch) == ("completed", EPOCH)
    (key,) = bench.clips()
    info = bench.store.stat(key)
    assert info is not None
    assert info.metadata["epoch"] == str(EPOCH)
    assert [one.epoch for one in bench.published()] == [EPOCH]


@pytest.mark.parametrize(
    ("looks", "clips"),
    [
        pytest.param(0, 0, id="before anything"),
        pytest.param(1, 0, id="before the upload"),
        pytest.param(2, 1, id="before the completion"),  # the next agent adopts the clip
    ],
)
def test_a_lease_that_runs_out_stops_the_next_effect(bench: Bench, looks: int, clips: int) -> None:
    message = bench.message()
    bench.clock.looks = looks
    with pytest.raises(LeaseLost):
        bench.runner.run(message, Job(message.request_id, 0.0), attempt=20)
    assert len(bench.clips()) == clips
    assert bench.published() == []


def test_without_a_lease_a_failure_is_not_published_either(bench: Bench) -> None:
    message = bench.message(nas_video_path=str(bench.recording.with_name("none.mp4")))
    bench.clock.looks = 1
    with pytest.raises(LeaseLost):
        bench.runner.run(message, Job(message.request_id, 0.0), attempt=20)
    assert bench.published() == []


@pytest.mark.slow
def test_a_lease_that_ends_during_the_cut_leaves_no_object_and_no_completion(bench: Bench) -> None:
    message = bench.message(start_seconds=0, end_seconds=40, mode="encode")
    raised: list[BaseException] = []

    def run() -> None:
        try:
            bench.runner.run(message, Job(message.request_id, 0.0), attempt=1)
        except LeaseLost as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    held = hold_cut(os.getpid(), bench.spool_of(message))
    bench.clock.advance(DEADLINE)
    held.release()
    thread.join(90)
    assert len(raised) == 1
    assert (bench.clips(), bench.published()) == ([], [])
