"""Reels and annotations end to end, from the command line to the downloaded file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import av
import pytest

from clipping.cli import main
from clipping.client import Client
from tests.support.media import numbers
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

RATE = 25
SECONDS = 120.0


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with Client(stack.where["api_url"], key=stack.where["api_key"]) as made:
        yield made


def clipping(stack: RunningStack, *arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    where = ("--url", stack.where["api_url"], "--key", stack.where["api_key"])
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*arguments, *where])
    return code, out.getvalue(), err.getvalue()


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def frames(start: float, end: float) -> list[int]:
    """The numbers of a recording's frames within a range."""
    return list(range(round(start * RATE), round(end * RATE)))


def test_a_reel_from_the_file_to_the_video_and_its_table(
    stack: RunningStack, client: Client, nas: Path, tmp_path: Path
) -> None:
    mp4, mkv = str(nas / "night.mp4"), str(nas / "night.mkv")
    parts = [
        {"nas_video_path": mp4, "start_seconds": 5.2, "end_seconds": 8.2, "title": "First", "rating": 4},
        {"nas_video_path": mkv, "start_seconds": "0:20", "end_seconds": "0:22.4", "hand_id": "hand-2"},
    ]
    file = write(tmp_path / "reel.json", {"reel_id": "night", "clips": parts, "tsv": True})
    code, link, shown = clipping(stack, "reel", file, "--watch")
    assert code == 0, shown
    assert "/v1/files/reels/night/reel-" in link
    (reel,) = (each for each in client.clips(kind="reel", hand_id="night"))
    assert (reel.status, [part.stage for part in reel.parts or ()]) == ("completed", ["completed"] * 2)
    assert reel.duration_seconds == pytest.approx(5.4, abs=0.1)
    assert reel.report is not None
    assert [part.start_seconds for part in reel.report.parts or ()] == [0, pytest.approx(3.0, abs=0.05)]

    video = client.save(reel.request_id, tmp_path)
    assert (video.path.name, video.sha256) == ("night.mp4", reel.sha256)
    assert numbers(video.path) == frames(5.2, 8.2) + frames(20, 22.4)
    with av.open(str(video.path)) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["First", "hand-2"]
    table = client.save(reel.request_id, tmp_path, file="tsv")
    assert table.path.read_text().splitlines()[1:] == [
        "0:05.20\t0:08.20\tFirst\t4\t\t",
        "0:20.00\t0:22.40\thand-2\t\t\t",
    ]
    eventually(lambda: not stack.spool(), "an empty spool")


def test_annotations_become_a_review_and_clips(
    stack: RunningStack, client: Client, nas: Path, tmp_path: Path
) -> None:
    clips = [
        {"start_time": 2, "end_time": 4, "name": "", "rating": 5, "tags": ["Goal", "Dribble"]},
        {"start_time": 3, "end_time": 4.2, "name": "100% 'sure'", "notes": "a note", "rating": 2},
    ]
    file = write(tmp_path / "annotations.json", {"clips": clips})
    where = ("--recording", str(nas / "night.mp4"), "--id", "game")
    code, shown, problems = clipping(stack, "annotate", file, *where, "--review", "--clips")
    assert code == 0, problems
    review, clip = (client.wait(request_id, timeout=SECONDS) for request_id in shown.split())
    assert (review.status, review.reel_id) == ("completed", "game")
    assert review.duration_seconds == pytest.approx(3.2, abs=0.1)
    saved = client.save(review.request_id, tmp_path)
    with av.open(str(saved.path)) as container:
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
        assert titles == ["Brilliant Goal and Dribble", "100% 'sure'"]
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    # Within the title's box, left of its text.
    height, width = first.shape[:2]
    assert first[35 * height // 1080, width * 12 // 100 : width * 14 // 100].mean() > 220
    assert (clip.status, clip.hand_id) == ("completed", "game-01-Brilliant-Goal-and-Dribble")
    assert client.download(review.request_id, "tsv").file_size_bytes > 100
