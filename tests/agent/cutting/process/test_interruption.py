"""A job receives the reason of an interruption and stops; one that does not stop is killed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from agent.cutting import EngineSettings, Interruption, Reason
from agent.cutting.process.client import ForkServer
from agent.cutting.process.context import Context
from agent.cutting.process.progress import ProgressSender
from agent.cutting.process.protocol import Failed, Progress
from agent.cutting.reading.source import open_path
from agent.cutting.supervised import Supervised
from clipping.contract.checkpoint import Checkpoint
from clipping.errors import Cancelled, GivenBack
from tests.support.media import make
from tests.support.procs import alive
from tests.support.waiting import eventually

ERRORS = {Reason.CANCELLED: Cancelled, Reason.GIVEN_BACK: GivenBack}
"""What each ends with."""
REASONS = pytest.mark.parametrize("reason", Reason)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(preload=__name__)
    server.start()
    yield server
    server.close()


def obedient(context: Context, *_: object) -> None:
    """Waits until it is interrupted."""
    ProgressSender(context)("cutting", 10.0)
    context.interruption.wait(60)
    context.interruption.raise_if_set()


def reporting(context: Context, *_: object) -> None:
    """Does nothing but report its progress."""
    report = ProgressSender(context)
    while True:
        report("cutting", 10.0)
        time.sleep(0.01)


def encoding(context: Context, *_: object) -> None:
    """Finishes a segment every 0.2 s."""
    report = ProgressSender(context)
    segment = 0
    while True:
        report("cutting", 10.0)
        time.sleep(0.2)
        segment += 1
        report.kept(Checkpoint(frame=segment, total=1000, segment=segment, segments=1000))


def deaf(context: Context, *_: object) -> None:
    """Never looks whether it is interrupted."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ProgressSender(context)("cutting", 10.0)
    time.sleep(60)


def brief(context: Context, *_: object) -> None:
    """Ends at once."""


@REASONS
@pytest.mark.parametrize("function", [obedient, reporting])
def test_a_job_ends_with_the_reason(
    server: ForkServer, function: Callable[..., object], reason: Reason
) -> None:
    with closing(server.run(f"{__name__}:{function.__name__}")) as job:
        first = eventually(lambda: next(job.messages(1), None), "the job to begin")
        assert isinstance(first, Progress)
        job.interrupt(reason)
        answer = eventually(
            lambda: next((one for one in job.messages(1) if isinstance(one, Failed)), None), "its end"
        )
        assert type(answer.error) is ERRORS[reason]


@REASONS
@pytest.mark.parametrize("function", [obedient, deaf])
def test_the_engine_ends_a_job_whether_it_obeys_or_not(
    server: ForkServer, function: Callable[..., object], reason: Reason
) -> None:
    interruption = Interruption()
    with open_path(make()) as source:
        job = Supervised(server, EngineSettings(), source, lambda *_: interruption.set(reason), interruption)
        with pytest.raises(ERRORS[reason]):
            job.result(60, f"{__name__}:{function.__name__}")
        assert job._job.pid is not None
        assert not alive(job._job.pid)


@pytest.mark.parametrize("seconds", [0.0, 50.0])
def test_a_job_that_is_going_to_be_given_back_ends_once_it_can_finish_no_more(
    server: ForkServer, seconds: float
) -> None:
    """It has 1000 segments, of 0.2 s each."""
    interruption, kept = Interruption(), []

    def checkpoint(checkpoint: Checkpoint) -> None:
        kept.append(checkpoint.segment)
        if len(kept) == 2:
            interruption.wind_down(time.monotonic() + seconds)

    with open_path(make()) as source:
        job = Supervised(server, EngineSettings(), source, lambda *_: None, interruption, checkpoint)
        with pytest.raises(GivenBack):
            job.result(60, f"{__name__}:encoding")
    assert 2 <= len(kept) <= 6  # one more, and what is finished until it is announced


def test_a_job_that_can_be_finished_before_it_is_given_back_goes_on(server: ForkServer) -> None:
    interruption, kept = Interruption(), []

    def checkpoint(checkpoint: Checkpoint) -> None:
        kept.append(checkpoint.segment)
        if len(kept) == 1:
            interruption.wind_down(time.monotonic() + 1000)
        if len(kept) == 10:
            interruption.set(Reason.CANCELLED)

    with open_path(make()) as source:
        job = Supervised(server, EngineSettings(), source, lambda *_: None, interruption, checkpoint)
        with pytest.raises(Cancelled):
            job.result(60, f"{__name__}:encoding")


def test_interrupting_a_job_that_has_ended_does_nothing(server: ForkServer) -> None:
    with closing(server.run(f"{__name__}:brief")) as job:
        eventually(lambda: None in list(job.messages(1)) or None, "the end")
        job.interrupt(Reason.CANCELLED)


@REASONS
def test_an_interruption_wakes_those_who_wait(reason: Reason) -> None:
    interruption, woken = Interruption(), []
    interruption.raise_if_set()
    assert not interruption.wait(0)
    thread = threading.Thread(target=lambda: woken.append(interruption.wait(60)))
    thread.start()
    interruption.set(reason)
    thread.join(60)
    assert woken == [True]
    assert interruption.reason is reason
    with pytest.raises(ERRORS[reason]):
        interruption.raise_if_set()


def test_the_newest_reason_counts() -> None:
    interruption = Interruption()
    interruption.set(Reason.CANCELLED)
    interruption.set(Reason.GIVEN_BACK)
    assert interruption.reason is Reason.GIVEN_BACK
