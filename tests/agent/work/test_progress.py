"""How often the progress of a clip is published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.work.job import Job
from agent.work.progress import FIRST_SECONDS, INTERVAL_SECONDS, ProgressReporter
from clipping.clock import ManualClock
from clipping.contract.choices import Stage
from clipping.contract.messages import ProgressMessage
from tests.agent.bench import EPOCH, Bench, report_wait
from tests.support.waiting import eventually


class Reports:
    """A reporter whose clock stands still, and the messages that it has published."""

    def __init__(self, bench: Bench) -> None:
        self.clock = ManualClock()
        self.reporter: ProgressReporter = bench.reporter(self.clock)
        self._bench = bench
        self._marks = 0

    def stage(self, stage: Stage, percent: float) -> None:
        self.reporter.report(
            ProgressMessage(
                request_id="clip",
                stage=stage,
                progress_percent=percent,
                agent_id="nas-1",
                epoch=EPOCH,
                attempt=1,
                seq=1,
            )
        )

    def published(self) -> list[tuple[str, float]]:
        """The stages and percentages of the clip so far, once all that is due has been published."""
        self._marks += 1
        mark = f"mark-{self._marks}"
        report_wait(self.reporter, mark)
        eventually(lambda: any(one.request_id == mark for one in self._bench.progressed()), mark)
        own = [one for one in self._bench.progressed() if not one.request_id.startswith("mark")]
        return [(one.stage, one.progress_percent) for one in own]


@pytest.fixture
def reports(bench: Bench) -> Iterator[Reports]:
    reports = Reports(bench)
    reports.reporter.start()
    yield reports
    reports.reporter.close()


def test_a_short_clip_publishes_only_its_completion(bench: Bench, reports: Reports) -> None:
    runner = replace(bench.runner, progress=reports.reporter)
    message = bench.message()
    assert runner.run(message, Job(message.request_id, 0.0), attempt=1).status == "completed"
    reports.clock.advance(60)
    assert reports.published() == []
    assert [one.status for one in bench.published()] == ["completed"]


def test_the_newest_state_is_published_after_half_a_second_and_then_once_a_second(reports: Reports) -> None:
    reports.stage("probing", 0.0)
    reports.stage("cutting", 10.0)
    reports.clock.advance(FIRST_SECONDS - 0.01)
    assert reports.published() == []
    reports.clock.advance(0.01)
    first = ("cutting", 10.0)
    assert eventually(reports.published) == [first]
    reports.stage("cutting", 20.0)
    reports.stage("verifying", 90.0)
    reports.clock.advance(INTERVAL_SECONDS - 0.01)
    reports.stage("uploading", 100.0)
    assert reports.published() == [first]
    reports.clock.advance(0.01)
    eventually(lambda: reports.published() == [first, ("uploading", 100.0)])


def test_a_wait_is_published_at_once_and_the_stage_after_it_a_second_later(reports: Reports) -> None:
    reports.stage("cutting", 10.0)
    reports.stage("retrying", 10.0)
    wait = ("retrying", 10.0)
    assert eventually(reports.published) == [wait]
    reports.stage("retrying", 11.0)
    reports.stage("cutting", 12.0)
    assert reports.published() == [wait]
    reports.clock.advance(INTERVAL_SECONDS)
    assert eventually(lambda: reports.published()[1:]) == [("cutting", 12.0)]
    reports.stage("cutting", 13.0)
    reports.stage("retrying", 13.0)
    assert eventually(lambda: reports.published()[2:]) == [("retrying", 13.0)]


def test_nothing_is_published_of_a_settled_clip(reports: Reports) -> None:
    reports.stage("cutting", 10.0)
    reports.reporter.forget("clip")
    reports.clock.advance(60)
    assert reports.published() == []


def test_a_clip_that_begins_again_later_begins_with_half_a_second(reports: Reports) -> None:
    reports.stage("retrying", 10.0)
    assert len(eventually(reports.published)) == 1
    reports.clock.advance(60)
    reports.stage("probing", 0.0)
    assert len(reports.published()) == 1
    reports.clock.advance(FIRST_SECONDS)
    assert eventually(lambda: reports.published()[1:]) == [("probing", 0.0)]
