"""A reel end to end: from the request to the downloaded file, with real processes."""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import requests

from tests.support.events import EventReader
from tests.support.media import Recording, make, numbers
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

RATE = 25
DISSOLVE = {"type": "dissolve", "duration": 0.4}
LONG = [{"name": "night.mp4", "start_seconds": at, "end_seconds": at + 9} for at in (0, 10, 20, 30, 40)]


@pytest.fixture(scope="module")
def recordings(nas: Path) -> None:
    """A second recording, of another size."""
    shutil.copy(make(Recording(seconds=30, filters="scale=160:100,format=yuv420p")), nas / "second.mp4")


def download(stack: RunningStack, request_id: str, target: Path, query: str = "") -> Path:
    link = stack.session.get(f"{stack.url_of(request_id)}/download{query}", timeout=10).json()
    answer = requests.get(link["download_url"], timeout=30)
    assert (answer.status_code, len(answer.content)) == (200, link["file_size_bytes"])
    target.write_bytes(answer.content)
    return target


def check_nothing_left(stack: RunningStack, request_id: str) -> None:
    assert stack.objects(request_id) == []
    eventually(lambda: not stack.spool(), "an empty spool")
    folder = stack.data / "agents" / "agent-1" / "checkpoints" / request_id
    eventually(lambda: not folder.exists(), "no finished parts")


def shown(container: av.container.InputContainer) -> list[tuple[str, float, float]]:
    """The chapters: title, begin and end in seconds."""
    return [
        (
            one["metadata"]["title"],
            float(one["start"] * one["time_base"]),
            float(one["end"] * one["time_base"]),
        )
        for one in container.chapters()
    ]


def test_a_reel_of_two_recordings(stack: RunningStack, recordings: None, tmp_path: Path) -> None:
    request_id = stack.ask_reel(
        {"name": "night.mp4", "start_seconds": 5, "end_seconds": 8, "title": "Goal", "rating": 5},
        {"name": "second.mp4", "start_seconds": 2, "end_seconds": 4, "hand_id": "hand-7"},
        {"name": "night.mp4", "start_seconds": 40.2, "end_seconds": 43.2},
        transition=DISSOLVE,
        tsv=True,
        metadata={"editor": "ada"},
    )
    with EventReader(f"{stack.url_of(request_id)}/events", stack.where["api_key"]) as reader:
        last = reader.wait("completed").data
        reader.wait_for_end()
    status = stack.status(request_id)
    assert last == status
    assert (status["reel_id"], status["metadata"]) == ("best", {"editor": "ada"})
    assert [part["stage"] for part in status["parts"]] == ["completed"] * 3

    reel = download(stack, request_id, tmp_path / "reel.mp4")
    assert hashlib.sha256(reel.read_bytes()).hexdigest() == status["sha256"]
    frames = numbers(reel)
    assert len(frames) == status["report"]["frames"] == (3 + 2 + 3) * RATE - 2 * 10
    assert (frames[0], frames[-1]) == (5 * RATE, 43.2 * RATE - 1)
    assert frames[65 + 12] == 2 * RATE + 12, "behind the first dissolve"
    assert status["duration_seconds"] == pytest.approx(7.2, abs=0.001)
    begins = [part["start_seconds"] for part in status["report"]["parts"]]
    assert begins == pytest.approx([0, 2.6, 4.2], abs=0.001)
    with av.open(str(reel)) as container:
        assert [name for name, _, _ in shown(container)] == ["Goal", "hand-7", "Part 3"]
        assert [at for _, at, _ in shown(container)] == pytest.approx(begins, abs=0.001)
        assert shown(container)[-1][2] == pytest.approx(7.2, abs=0.001)
        assert (container.streams.video[0].width, len(container.streams.audio)) == (320, 1)
    table = download(stack, request_id, tmp_path / "table", "?file=tsv").read_text().splitlines()
    assert [line.split("\t")[:4] for line in table[1:]] == [
        ["0:05.00", "0:08.00", "Goal", "5"],
        ["0:02.00", "0:04.00", "hand-7", ""],
        ["0:40.20", "0:43.20", "Part 3", ""],
    ]
    eventually(lambda: not stack.spool(), "an empty spool")


def test_a_smart_reel_copies_what_it_can(stack: RunningStack, tmp_path: Path) -> None:
    parts = [(3.1, 8.3), (20.5, 26.3), (50, 54.1)]
    request_id = stack.ask_reel(
        *({"name": "night.mp4", "start_seconds": start, "end_seconds": end} for start, end in parts)
    )
    status = stack.wait(request_id)
    assert status["status"] == "completed", status
    assert (status["report"]["mode"], status["report"]["warnings"]) == ("smart", [])
    assert status["report"]["reencoded_seconds"] < 8
    expected = [n for start, end in parts for n in range(-int(-start * RATE // 1), -int(-end * RATE // 1))]
    assert numbers(download(stack, request_id, tmp_path / "reel.mp4")) == expected


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"name": "none.mp4", "start_seconds": 1, "end_seconds": 2}, "SOURCE_NOT_FOUND"),
        ({"name": "notes.mp4", "start_seconds": 1, "end_seconds": 2}, "SOURCE_CORRUPT"),
        ({"name": "night.mkv", "start_seconds": 70, "end_seconds": 72}, "RANGE_BEYOND_END"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_part_that_fails_is_named_and_nothing_is_left(
    stack: RunningStack, part: dict[str, Any], code: str
) -> None:
    first = {"name": "night.mp4", "start_seconds": 1, "end_seconds": 2}
    request_id = stack.ask_reel(first, part, tsv=True)
    status = stack.wait(request_id)
    assert (status["status"], status["error"]["code"], status["error"]["part"]) == ("failed", code, 1)
    assert status["error_message"].startswith("clips[1]: ")
    check_nothing_left(stack, request_id)


def test_a_reel_that_is_cancelled_in_its_middle_leaves_nothing(stack: RunningStack) -> None:
    request_id = stack.ask_reel(*LONG, mode="encode", tsv=True)
    eventually(
        lambda: any(part["stage"] == "completed" for part in stack.status(request_id).get("parts", [])),
        "a finished part",
        within=60,
        logs=stack.logs,
    )
    answer = stack.session.post(f"{stack.url_of(request_id)}/cancel", timeout=10)
    assert answer.status_code == 202
    assert stack.wait(request_id)["status"] == "cancelled"
    check_nothing_left(stack, request_id)


@pytest.fixture
def own(nas: Path, tmp_path: Path) -> Iterator[RunningStack]:
    with RunningStack(tmp_path / "data", nas) as stack:
        yield stack


@pytest.mark.slow
def test_a_reel_whose_agent_is_killed_is_resumed_and_complete(own: RunningStack, tmp_path: Path) -> None:
    request_id = own.ask_reel(*LONG, mode="encode", transition=DISSOLVE)

    def finished() -> list[int]:
        parts = own.status(request_id).get("parts", [])
        return [part["index"] for part in parts if part["stage"] == "completed"]

    eventually(lambda: len(finished()) >= 2, "two finished parts", within=120, logs=own.logs)
    before = own.signal("agent-1", signal.SIGKILL)
    status = own.wait(request_id, timeout=180)
    assert status["status"] == "completed", status
    assert (status["resumed_count"], own.pid("agent-1") != before) == (1, True)
    assert status["attempt"] >= 2
    frames = numbers(download(own, request_id, tmp_path / "reel.mp4"))
    assert len(frames) == 5 * 9 * RATE - 4 * 10
    for number, part in enumerate(LONG):
        middle = number * (9 * RATE - 10) + 100
        assert frames[middle] == part["start_seconds"] * RATE + 100
    eventually(lambda: not own.spool(), "an empty spool")
