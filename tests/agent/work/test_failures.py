"""Only its own failures end a request, regardless of deliveries lost to outages and kills."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from agent.work.failures import FILE, MOST_REQUESTS, Failures
from agent.work.job import Job
from clipping.contract.messages import RequestMessage
from clipping.errors import EncoderFailed, EngineUnavailable, ProcessDied, SourceUnavailable, TransientError
from tests.agent.bench import Bench
from tests.support.held import hold_cut

OWN = EncoderFailed("broken")


def test_a_third_failure_of_the_encoder_is_the_last(tmp_path: Path) -> None:
    failures = Failures(tmp_path)
    assert [failures.exhausted("a", OWN) for _ in range(3)] == [False, False, True]
    assert not failures.exhausted("b", OWN)


def test_what_says_nothing_about_the_request_is_not_counted(tmp_path: Path) -> None:
    failures = Failures(tmp_path)
    for error in (SourceUnavailable("away"), EngineUnavailable("no ffmpeg")):
        assert not any(failures.exhausted("a", error) for _ in range(100))
    assert not failures.exhausted("a", OWN)


def test_causes_are_counted_each_by_itself(tmp_path: Path) -> None:
    failures = Failures(tmp_path)
    died = ProcessDied("killed")
    assert not any(failures.exhausted("a", error) for error in (died, OWN, died, OWN, died, died))
    assert failures.exhausted("a", died)


def test_counts_outlive_a_restart_and_end_with_the_request(tmp_path: Path) -> None:
    for _ in range(2):
        assert not Failures(tmp_path).exhausted("a", OWN)
    Failures(tmp_path).forget("a")
    for _ in range(2):
        assert not Failures(tmp_path).exhausted("a", OWN)
    assert Failures(tmp_path).exhausted("a", OWN)


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": {"b": "x"}}', b"\xff"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / FILE).write_bytes(rubbish)
    failures = Failures(tmp_path)
    assert [failures.exhausted("a", OWN) for _ in range(3)] == [False, False, True]


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    failures = Failures(tmp_path)
    for number in range(MOST_REQUESTS + 1):
        failures.exhausted(str(number), OWN)
    failures.exhausted("0", OWN)
    assert not failures.exhausted("0", OWN)
    assert not failures.exhausted(str(MOST_REQUESTS), OWN)
    assert failures.exhausted(str(MOST_REQUESTS), OWN)


def killed(bench: Bench, message: RequestMessage, attempt: int) -> TransientError | None:
    """Kill the clip's cutting process while it works; the error that the attempt is given back with."""
    raised: list[TransientError] = []

    def run() -> None:
        try:
            bench.runner.run(message, Job(message.request_id, 0.0), attempt=attempt)
        except TransientError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    os.kill(hold_cut(os.getpid(), bench.spool_of(message)).group, signal.SIGKILL)
    thread.join(90)
    return raised[0] if raised else None


def test_a_cutting_process_killed_at_the_fifth_delivery_ends_nothing(bench: Bench) -> None:
    message = bench.message(start_seconds=0, end_seconds=50, mode="encode")
    assert isinstance(killed(bench, message, attempt=5), ProcessDied)
    assert bench.published() == []
    completion = bench.runner.run(message, Job(message.request_id, 0.0), attempt=6)
    assert completion.status == "completed"


@pytest.mark.slow
def test_one_that_dies_every_time_ends_the_request_with_the_reason(bench: Bench) -> None:
    message = bench.message(start_seconds=0, end_seconds=50, mode="encode")
    for attempt in range(1, 5):
        assert isinstance(killed(bench, message, attempt), ProcessDied)
    assert killed(bench, message, attempt=5) is None
    (completion,) = bench.published()
    assert (completion.status, completion.error and completion.error.code) == ("failed", "ENCODER_FAILED")
    assert completion.error is not None
    assert completion.error.message.startswith("the cutting process ended by signal 9")
    assert "again" not in completion.error.message  # it is final
