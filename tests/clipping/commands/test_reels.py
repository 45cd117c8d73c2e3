"""`clipping reel` and `clipping annotate`, and how reels are shown."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.api_process import ApiProcess
from tests.api.messages import completed, failed, progress
from tests.clipping.commands.test_commands import SECONDS, asked, asked_reel, clipping, in_the_end, lines

FORM = {
    "clips": [
        {
            "start_time": 10.5,
            "end_time": 20,
            "name": "Goal",
            "notes": "left foot",
            "rating": 5,
            "tags": ["goal"],
        },
        {"start_time": 15, "end_time": 25, "rating": 2, "tags": ["turnover"]},
        {"start_time": 30, "end_time": 40, "rating": 4},
    ]
}


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def reel_file(api: ApiProcess, folder: Path, **over: Any) -> str:
    body = {"reel_id": "best-of", "clips": [api.part(), api.part(20, 30)], **over}
    return write(folder / "reel.json", body)


def test_a_reel_is_asked_for(api: ApiProcess, tmp_path: Path) -> None:
    file = reel_file(api, tmp_path, transition={"type": "fade", "duration": 1})
    done = clipping(api, "reel", file)
    assert done.returncode == 0
    assert api.status(done.stdout.strip())["reel_id"] == "best-of"
    once = ["reel", file, "--idempotency-key", "cli-reel", "--json"]
    first, second = (lines(clipping(api, *once)) for _ in range(2))
    assert first == second
    assert first[0]["mode"] == "smart"
    assert lines(clipping(api, "reel", file, "--mode", "encode", "--json"))[0]["mode"] == "encode"
    assert clipping(api, "reel", file, "--transition", "dissolve", "--duration", "2").returncode == 0


def test_options_replace_what_the_file_says(api: ApiProcess, tmp_path: Path) -> None:
    file = reel_file(api, tmp_path, clips=[api.part(0, 1), api.part(20, 30)])
    done = clipping(api, "reel", file, "--transition", "dissolve", "--duration", "1.5")
    assert (done.returncode, done.stdout) == (1, "")
    assert "clips[0] is 1 s long, and a dissolve of 1.5 s at one end needs 1.5 s" in done.stderr


def test_a_reel_may_come_from_standard_input(
    api: ApiProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(reel_file(api, tmp_path)).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert clipping(api, "reel", "-").stdout.startswith("reel-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[]")))
    wrong = clipping(api, "reel", "-")
    assert (wrong.returncode, "standard input must be a JSON object" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("command", [["reel"], ["annotate", "--recording", "/a", "--id", "x", "--review"]])
def test_a_file_that_is_no_request_is_a_usage_error(
    api: ApiProcess, tmp_path: Path, command: list[str]
) -> None:
    missing = clipping(api, *command, str(tmp_path / "none.json"))
    assert (missing.returncode, "can't be read" in missing.stderr) == (2, True)
    (tmp_path / "bad.json").write_text("{")
    bad = clipping(api, *command, str(tmp_path / "bad.json"))
    assert (bad.returncode, "is not valid JSON" in bad.stderr) == (2, True)


def test_watching_ends_with_the_reel(api: ApiProcess, tmp_path: Path) -> None:
    def work(request_id: str) -> None:
        parts = [{"index": 0, "stage": "completed", "progress_percent": 100.0}]
        api.send(progress(request_id=request_id, parts=parts))
        api.wait_for_status(request_id, "processing")
        api.send(completed(request_id=request_id, hand_id="watched"))

    agent = in_the_end(api, work, hand_id="watched")
    good = clipping(api, "reel", reel_file(api, tmp_path, reel_id="watched"), "--watch")
    agent.join(SECONDS)
    assert good.returncode == 0
    assert good.stdout.startswith("http")
    agent = in_the_end(api, lambda request_id: api.send(failed(request_id=request_id)), hand_id="bad")
    bad = clipping(api, "reel", reel_file(api, tmp_path, reel_id="bad"), "--watch", "--json")
    agent.join(SECONDS)
    assert bad.returncode == 1
    assert [line["status"] for line in lines(bad)] == ["failed"]


def test_the_parts_of_a_reel_are_shown(api: ApiProcess) -> None:
    request_id = asked_reel(api)
    parts = [
        {"index": 0, "stage": "completed", "progress_percent": 100.0},
        {"index": 1, "stage": "cutting", "progress_percent": 40.0},
    ]
    api.send(progress(request_id=request_id, parts=parts))
    api.wait_for_status(request_id, "processing")
    shown = clipping(api, "status", request_id).stdout
    assert "  clips[0]: completed 100 %\n  clips[1]: cutting 40 %\n" in shown
    watched = clipping(api, "watch", request_id, "--timeout", "0.5")
    assert f"{request_id}: processing cutting, 1 of 2 parts" in watched.stderr

    report = completed().report
    assert report is not None
    range_ = {"start": 5.0, "end": 15.0}
    cut = {
        "index": 1,
        "start_seconds": 10.0,
        "end_seconds": 20.0,
        "mode": "smart",
        "requested": range_,
        "actual": range_,
        "frames": 250,
        "reencoded_seconds": 0.5,
        "warnings": ["no audio"],
    }
    api.send(completed(request_id=request_id, report={**report.model_dump(), "parts": [cut]}))
    api.wait_for_status(request_id, "completed")
    shown = clipping(api, "status", request_id).stdout
    assert "  clips[1], at 10.000 s: smart, 5.000 to 15.000 s of its recording\n" in shown
    assert "  note: clips[1]: no audio\n" in shown


def test_one_kind_is_listed(api: ApiProcess) -> None:
    reel, clip = asked_reel(api, reel_id="kinds"), asked(api, hand_id="kinds")
    for kind, expected in ((("--kind", "reel"), [reel]), (("--kind", "clip"), [clip]), ((), [clip, reel])):
        found = lines(clipping(api, "list", "--hand-id", "kinds", *kind, "--json"))
        assert [line["request_id"] for line in found] == expected
    assert clipping(api, "cancel", reel).stdout == f"{reel}: cancelled\n"


def test_a_reel_without_a_table_has_none_to_download(api: ApiProcess) -> None:
    request_id = asked_reel(api)
    api.send(completed(request_id=request_id))
    api.wait_for_status(request_id, "completed")
    done = clipping(api, "download", request_id, "--tsv")
    assert (done.returncode, "the reel has no table" in done.stderr) == (1, True)


def test_annotations_are_requested(api: ApiProcess, tmp_path: Path) -> None:
    file = write(tmp_path / "annotations.json", FORM)
    table = tmp_path / "game.tsv"
    where = ["--recording", f"{api.root}/match.mp4", "--id", "game-7"]
    done = clipping(api, "annotate", file, *where, "--review", "--clips", "--tsv", str(table))
    assert done.returncode == 0, done.stderr
    review, *clips = (api.status(request_id) for request_id in done.stdout.split())
    assert (review["reel_id"], len(review["parts"])) == ("game-7", 3)
    assert [clip["hand_id"] for clip in clips] == ["game-7-01-Goal", "game-7-03-Clip-3"]
    assert clips[0]["metadata"]["description"] == "left foot"
    assert table.read_text().splitlines()[1] == "0:10.50\t0:20.00\tGoal\t5\tgoal\tleft foot"

    few = clipping(api, "annotate", file, *where, "--clips", "--min-rating", "5", "--json")
    assert [line["client_item_id"] for line in lines(few)] == ["game-7-01-Goal"]
    alone = clipping(api, "annotate", file, *where, "--tsv", "-")
    assert (alone.returncode, alone.stdout) == (0, table.read_text())


def test_wrong_annotations_are_refused(api: ApiProcess, tmp_path: Path) -> None:
    where = ["--recording", f"{api.root}/match.mp4", "--id", "game-7"]
    file = write(tmp_path / "annotations.json", FORM)
    nothing = clipping(api, "annotate", file, *where)
    assert (nothing.returncode, "needs --review, --clips or --tsv" in nothing.stderr) == (2, True)
    unrated = write(tmp_path / "unrated.json", {"clips": [{"start_time": 0, "end_time": 1}]})
    none = clipping(api, "annotate", unrated, *where, "--clips")
    assert (none.returncode, none.stdout) == (0, "")
    assert "no annotation is rated 4 or higher" in none.stderr
    wrong = write(tmp_path / "wrong.json", {"clips": [{"start_time": 0, "end_time": 1, "rating": 7}]})
    bad = clipping(api, "annotate", wrong, *where, "--review")
    assert (bad.returncode, "clips[0].rating must be 1, 2, 3, 4 or 5" in bad.stderr) == (2, True)
    outside = clipping(api, "annotate", file, "--recording", "/etc/passwd", "--id", "x", "--clips")
    assert (outside.returncode, outside.stdout) == (1, "")
    long = {"start_time": 0, "end_time": 700, "rating": 5}
    mixed = write(tmp_path / "mixed.json", {"clips": [*FORM["clips"], long]})
    partly = clipping(api, "annotate", mixed, *where, "--clips")
    assert (partly.returncode, len(partly.stdout.split())) == (1, 2)
    assert "game-7-04-Clip-4: INVALID_REQUEST" in partly.stderr
