"""The reports of an attempt that waits after an error, or ends with it."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from agent.work.job import Job
from agent.work.reporting import MAX_MESSAGE, AttemptReporter, Identity
from clipping.clock import ManualClock
from clipping.contract.messages import CompletionMessage, ProgressMessage
from clipping.errors import LeaseLost, SigningUnavailable, StoreUnavailable
from tests.agent.bench import Bench, report_wait
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually

CODE = "SIGNING_UNAVAILABLE"


def retries(scope: str) -> float:
    return REGISTRY.get_sample_value("clipping_retries_total", {"code": CODE, "scope": scope}) or 0.0


def wait_of(message: ProgressMessage) -> timedelta:
    """How long it says it waits."""
    assert message.last_error is not None
    assert message.next_attempt_at is not None
    return message.next_attempt_at - message.last_error.at


def test_a_wait_inside_an_attempt_is_reported_with_its_end(bench: Bench) -> None:
    bench.break_signing()
    message, job, before = bench.message(), Job("r", 0.0), retries("step")
    ended: list[CompletionMessage] = []
    thread = threading.Thread(target=lambda: ended.append(bench.runner.run(message, job, attempt=3)))
    thread.start()
    first = eventually(bench.waits, "the clip to wait")[0]
    assert first.last_error is not None
    assert (first.last_error.code, first.attempt) == (CODE, 3)
    assert "signing.key is damaged" in first.last_error.message
    assert wait_of(first) == timedelta(seconds=2), "a wait of a second is not worth a word"
    assert first.progress_percent == 100.0
    bench.mend_signing()
    thread.join(90)
    assert [one.status for one in ended] == ["completed"]
    assert retries("step") - before >= 2
    reported = bench.progressed()
    assert [one.seq for one in reported] == sorted(one.seq for one in reported)
    assert all(one.next_attempt_at is None for one in reported if one.stage != "retrying")


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (3, 40), (19, 600)])
def test_the_end_of_an_attempt_says_when_the_next_is_expected(
    bench: Bench, attempt: int, seconds: int
) -> None:
    bench.break_signing()
    message, job, before = bench.message(), Job("r", 0.0), retries("attempt")
    with bench.when_uploaded(job.give_back), pytest.raises(SigningUnavailable):
        bench.runner.run(message, job, attempt=attempt)
    last = eventually(bench.waits, "the report")[-1]
    assert (last.attempt, wait_of(last)) == (attempt, timedelta(seconds=seconds))
    assert job.stage == "retrying"
    assert retries("attempt") == before + 1


def test_a_lost_lease_is_no_wait(bench: Bench) -> None:
    message, job = bench.message(), Job("r", 0.0)
    bench.clock.looks = 1
    with pytest.raises(LeaseLost):
        bench.runner.run(message, job, attempt=1)
    report_wait(bench.progress, "another")
    assert [one.request_id for one in eventually(bench.waits, "a later report")] == ["another"]


def test_a_clip_that_is_cancelled_while_it_waits_ends_at_once(bench: Bench) -> None:
    bench.break_signing()
    message, job = bench.message(), Job("r", 0.0)
    with bench.when_uploaded(job.cancel):
        begun = time.monotonic()
        completion = bench.runner.run(message, job, attempt=1)
    assert (completion.status, completion.error) == ("cancelled", None)
    assert time.monotonic() - begun < 30


def test_a_wait_that_could_not_be_published_is_published_later(
    bench: Bench, broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="agent.work.progress")
    bench.break_signing()
    message, job = bench.message(), Job("r", 0.0)
    broker.freeze()
    try:
        with bench.when_uploaded(job.give_back), pytest.raises(SigningUnavailable):
            bench.runner.run(message, job, attempt=1)
        tried = len(dropped(caplog))
        eventually(lambda: len(dropped(caplog)) > tried + 1, "the report to be dropped")
    finally:
        broker.thaw()
    (last,) = eventually(bench.waits, "the report")
    assert last.seq == max(one.seq for one in bench.progressed())


def dropped(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.getMessage() == "progress.dropped"]


class Sink:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.reported: list[ProgressMessage] = []

    def report(self, message: ProgressMessage) -> None:
        self.reported.append(message)


def test_the_stage_is_reported_again_after_the_wait() -> None:
    sink, job = Sink(), Job("clip-1", 0.0)
    message = SimpleNamespace(request_id="clip-1")
    reporter = AttemptReporter(sink, ManualClock(), lambda: Identity("nas-1", 7), message, job, 2)  # type: ignore[arg-type]
    error = StoreUnavailable("away " + "x" * 2000)
    with reporter.waiting(error, 4.0):
        assert job.stage == "retrying"
    reporter.stage("cutting", 30.0)
    with reporter.waiting(error, 1.0):
        assert job.stage == "cutting"
    with reporter.waiting(error, 2.0):
        assert (job.stage, job.progress_percent) == ("retrying", 30.0)
    assert (job.stage, job.progress_percent) == ("cutting", 30.0)
    with pytest.raises(StoreUnavailable), reporter.waiting(error, 2.0):
        raise error
    assert job.stage == "retrying", "the attempt is over"
    assert [one.stage for one in sink.reported] == [
        "retrying",
        "probing",
        "cutting",
        "retrying",
        "cutting",
        "retrying",
    ]
    assert {(one.attempt, one.epoch, one.agent_id) for one in sink.reported} == {(2, 7, "nas-1")}
    assert [one.seq for one in sink.reported] == [1, 2, 3, 4, 5, 6]
    assert len(sink.reported[0].last_error.message) == MAX_MESSAGE  # type: ignore[union-attr]
