"""A reel goes the way of a clip: its file and table in the store, its parts' progress, its errors."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from agent.work.job import Job
from clipping.contract.messages import CompletionMessage, ProgressMessage
from clipping.contract.reel import ReelMessage, table_of
from clipping.errors import GivenBack, LeaseLost, NoSpace, SourceUnavailable
from tests.agent.bench import EPOCH, Bench
from tests.support.held import hold_cut
from tests.support.media import Recording, make, numbers
from tests.support.waiting import eventually

RATE = 25
OTHER = Recording(seconds=12, filters="scale=160:100,format=yuv420p")


def other(bench: Bench) -> str:
    """A second recording, of another size."""
    path = bench.recording.with_name("second.mp4")
    shutil.copy(make(OTHER), path)
    return str(path)


def three(bench: Bench, **fields: object) -> ReelMessage:
    """2 s, 3 s and 2 s, the second of them from another recording."""
    return bench.reel(
        {"start_seconds": 1, "end_seconds": 3, "title": "first"},
        {"start_seconds": 4, "end_seconds": 7, "nas_video_path": other(bench), "hand_id": "hand-2"},
        {"start_seconds": 30, "end_seconds": 32},
        **fields,
    )


def run(bench: Bench, message: ReelMessage, *, attempt: int = 1) -> CompletionMessage:
    return bench.runner.run(message, Job(message.request_id, 0.0), attempt=attempt)


def file_of(bench: Bench, message: ReelMessage, extension: str, target: Path) -> Path:
    assert bench.store.download(f"reels/best/{message.request_id}.{extension}", target) is not None
    return target


def check_nothing_left(bench: Bench, message: ReelMessage) -> None:
    assert bench.reels() == []
    assert not bench.spool_of(message).exists()
    assert not bench.checkpoints_of(message).exists()


def test_a_reel_is_in_the_store_with_its_table(bench: Bench, tmp_path: Path) -> None:
    message = three(bench, transition={"type": "dissolve", "duration": 0.4}, mode="encode", tsv=True)
    completion = run(bench, message)
    assert (completion.status, completion.hand_id) == ("completed", "best")
    assert completion.duration_seconds == pytest.approx(7 - 2 * 0.4, abs=0.05)
    assert completion.report is not None
    assert completion.report.parts is not None
    assert [(one.index, one.start_seconds) for one in completion.report.parts] == [
        (0, 0.0),
        (1, pytest.approx(1.6, abs=0.05)),
        (2, pytest.approx(4.2, abs=0.05)),
    ]
    assert bench.reels() == [f"reels/best/{message.request_id}.{ext}" for ext in ("mp4", "tsv")]
    shown = numbers(file_of(bench, message, "mp4", tmp_path / "reel.mp4"))
    assert len(shown) == completion.report.frames
    assert (shown[0], shown[-1]) == (RATE, 32 * RATE - 1)
    assert file_of(bench, message, "tsv", tmp_path / "table").read_text() == table_of(message)
    assert [one.to_json() for one in bench.published()] == [completion.to_json()]
    assert not bench.spool_of(message).exists()
    assert not bench.checkpoints_of(message).exists()


def test_a_reel_that_an_earlier_attempt_uploaded_is_adopted_and_gets_its_table(bench: Bench) -> None:
    message = three(bench, tsv=True)
    first = run(bench, message)
    bench.store.delete(f"reels/best/{message.request_id}.tsv")
    bench.recording.unlink()
    second = run(bench, message, attempt=2)
    assert (second.sha256, second.report) == (first.sha256, first.report)
    assert len(bench.reels()) == 2
    assert run(bench, message, attempt=3).status == "completed", "the table is adopted too"


def spoilt(bench: Bench, how: str) -> str:
    """A path of a part that can't be cut."""
    path, outside = bench.recording.with_name("part.mp4"), bench.recording.parent.parent / "outside.mp4"
    match how:
        case "outside":
            shutil.copy(bench.recording, outside)
            return str(outside)
        case "a link out":
            shutil.copy(bench.recording, outside)
            path.symlink_to(outside)
        case "corrupt":
            path.write_bytes(b"no recording" * 1000)
        case "short":
            shutil.copy(make(OTHER), path)
    return str(path)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("missing", "SOURCE_NOT_FOUND"),
        ("outside", "SOURCE_NOT_ALLOWED"),
        ("a link out", "SOURCE_NOT_ALLOWED"),
        ("corrupt", "SOURCE_CORRUPT"),
        ("short", "RANGE_BEYOND_END"),
    ],
)
def test_a_part_that_fails_is_named_and_nothing_is_left(bench: Bench, how: str, code: str) -> None:
    message = bench.reel(
        {"start_seconds": 1, "end_seconds": 2},
        {"start_seconds": 40, "end_seconds": 42, "nas_video_path": spoilt(bench, how)},
        tsv=True,
    )
    completion = run(bench, message)
    assert completion.error is not None, completion
    assert (completion.status, completion.error.code, completion.error.part) == ("failed", code, 1)
    assert completion.error.message.startswith("clips[1]: ")
    assert completion.error_message == completion.error.message
    check_nothing_left(bench, message)


def test_a_part_that_can_not_be_read_now_is_named_while_the_reel_waits(bench: Bench) -> None:
    message = bench.reel(
        {"start_seconds": 1, "end_seconds": 2},
        {"start_seconds": 5, "end_seconds": 6},
    )
    bench.recording.parent.rename(bench.recording.parent.with_name("away"))  # the NAS is not mounted
    with pytest.raises(SourceUnavailable) as caught:
        run(bench, message)
    assert caught.value.part == 0
    wait = eventually(bench.waits, "the report of the wait")[0]
    assert wait.last_error is not None
    assert (wait.last_error.code, wait.last_error.part) == ("SOURCE_UNAVAILABLE", 0)
    assert bench.reels() == []


def stopped(
    bench: Bench, act: Callable[[Job], None]
) -> tuple[ReelMessage, CompletionMessage | BaseException]:
    """A reel and its end, of which `act` is called while its second part is made."""
    message = bench.reel(
        {"start_seconds": 0, "end_seconds": 2}, {"start_seconds": 4, "end_seconds": 50}, mode="encode"
    )
    job = Job(message.request_id, 0.0)

    def second_began() -> bool:
        return any(one.index == 1 and one.progress_percent > 0 for one in job.parts)

    def meanwhile() -> None:
        eventually(second_began, "the second part", every=0.01)
        held = hold_cut(os.getpid(), bench.spool_of(message))
        act(job)
        held.release()

    return message, bench.attempt(message, job, meanwhile)


def test_a_reel_that_is_cancelled_leaves_nothing(bench: Bench) -> None:
    message, end = stopped(bench, Job.cancel)
    assert isinstance(end, CompletionMessage)
    assert (end.status, end.error) == ("cancelled", None)
    check_nothing_left(bench, message)


@pytest.mark.parametrize(
    ("looks", "objects"),
    [
        pytest.param(1, 0, id="before the upload"),
        pytest.param(2, 1, id="before the table"),
        pytest.param(3, 2, id="before the completion"),
    ],
)
def test_a_reel_whose_lease_runs_out_is_finished_by_the_next_attempt(
    bench: Bench, looks: int, objects: int
) -> None:
    message = bench.reel({"start_seconds": 1, "end_seconds": 2}, tsv=True)
    bench.clock.looks = looks
    with pytest.raises(LeaseLost):
        run(bench, message)
    assert (len(bench.reels()), bench.published()) == (objects, [])
    bench.clock.looks = math.inf
    bench.guard.renewed(EPOCH + 1, bench.clock.monotonic())
    assert run(bench, message, attempt=2).status == "completed"
    assert len(bench.reels()) == 2


def stages(messages: Sequence[ProgressMessage]) -> list[dict[int, str]]:
    return [{part.index: part.stage for part in message.parts} for message in messages if message.parts]


@pytest.mark.slow
def test_a_reel_that_is_given_back_resumes_at_the_unfinished_part(bench: Bench) -> None:
    message, end = stopped(bench, Job.give_back)
    assert isinstance(end, GivenBack)
    assert bench.reels() == []
    assert not bench.spool_of(message).exists()
    assert list(bench.checkpoints_of(message).iterdir())
    completion = run(bench, message, attempt=2)
    assert completion.status == "completed"
    assert completion.report is not None
    assert completion.report.frames == 48 * RATE
    second = stages([one for one in bench.progressed() if one.attempt == 2])
    assert second
    assert {one[0] for one in second} == {"completed"}
    assert not bench.checkpoints_of(message).exists()


@pytest.mark.slow
def test_progress_names_the_stage_of_each_part(bench: Bench) -> None:
    message = bench.reel(
        {"start_seconds": 0, "end_seconds": 20}, {"start_seconds": 25, "end_seconds": 45}, mode="encode"
    )
    assert run(bench, message).status == "completed"
    reported = bench.progressed()
    found = stages(reported)
    assert {tuple(sorted(one)) for one in found} == {(0, 1)}
    assert {one[1] for one in found} >= {"waiting", "cutting"}
    percents = [one.progress_percent for one in reported]
    assert percents == sorted(percents)


@pytest.mark.slow
def test_what_is_kept_does_not_fill_a_disk_that_is_full(bench: Bench) -> None:
    message = three(bench)
    bench.checkpoints_of(message).mkdir(parents=True)
    bench.runner.spool.min_free_bytes = 1 << 60
    with pytest.raises(NoSpace):
        run(bench, message)
    assert not bench.checkpoints_of(message).exists(), "nothing else would make room: no work is taken now"
    bench.runner.spool.min_free_bytes = 0
    assert run(bench, message, attempt=2).status == "completed"
