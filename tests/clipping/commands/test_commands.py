"""The commands as processes, against the real service: what they print, and how they end."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from clipping.cli import main
from clipping.client import Client
from tests.api.api_process import ADMIN, CLIENT, ApiProcess
from tests.api.cluster.test_admin_routes import agents_of, obeying
from tests.api.conftest import MakeApi
from tests.api.messages import completed, failed, progress, retrying
from tests.support.waiting import eventually

SECONDS = 90


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def environment(api: ApiProcess, key: str = CLIENT) -> dict[str, str]:
    return {**os.environ, "CLIPPING_URL": api.url, "CLIPPING_KEY": key}


def clipping(api: ApiProcess, *arguments: str, key: str = CLIENT) -> Done:
    """The command, in this process: starting one takes longer than most commands do."""
    out, err = StringIO(), StringIO()
    where = ["--url", api.url] if "--url" not in arguments else []
    who = ["--key", key] if "--key" not in arguments else []
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([*arguments, *where, *who])
        except SystemExit as error:
            code = int(error.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def asked_reel(api: ApiProcess, **over: Any) -> str:
    answer = api.request_reel(**over)
    assert answer.status_code == 202
    return str(answer.json()["request_id"])


def asked(api: ApiProcess, **over: Any) -> str:
    answer = api.request(**over)
    assert answer.status_code == 202
    return str(answer.json()["request_id"])


def in_the_end(api: ApiProcess, send: Callable[[str], None], *, hand_id: str) -> threading.Thread:
    """Let an agent report on the clip of that name once it is requested."""

    def find() -> None:
        def look() -> str | None:
            found = api.get("/v1/clips", params={"hand_id": hand_id}).json()["clips"]
            return found[0]["request_id"] if found else None

        send(eventually(look))

    thread = threading.Thread(target=find, name="agent", daemon=True)
    thread.start()
    return thread


def test_a_clip_is_asked_for(api: ApiProcess) -> None:
    source = f"{api.root}/a.mp4"
    done = clipping(api, "request", source, "0:10.5", "20", "--hand-id", "hand-7", "--metadata", "table=7")
    assert done.returncode == 0
    status = api.status(done.stdout.strip())
    assert (status["hand_id"], status["metadata"]) == ("hand-7", {"table": "7"})
    again = ["request", source, "1", "2", "--hand-id", "h", "--idempotency-key", "cli-once", "--json"]
    first, second = (lines(clipping(api, *again)) for _ in range(2))
    assert first == second
    shape = ["--aspect", "9:16", "--fit", "blur", "--max-bytes", "5000000"]
    short = lines(clipping(api, "request", source, "1", "2", "--hand-id", "h", *shape, "--json"))
    assert short[0]["mode"] == "encode"


def test_effects_are_read_from_a_file(api: ApiProcess, tmp_path: Path) -> None:
    file = tmp_path / "effects.json"
    request = ["request", f"{api.root}/a.mp4", "1", "2", "--hand-id", "h", "--effects", str(file), "--json"]
    file.write_text('{"title": {"name": "Goal", "rating": 5}}')
    assert lines(clipping(api, *request))[0]["mode"] == "encode"
    file.write_text('{"title": {"name": "Goal", "rating": 6}}')
    done = clipping(api, *request)
    assert (done.returncode, done.stdout) == (1, "")
    assert "effects.title.rating must be 1, 2, 3, 4 or 5" in done.stderr


def test_captions_are_read_from_a_file(api: ApiProcess, tmp_path: Path) -> None:
    file = tmp_path / "captions.vtt"
    request = ["request", f"{api.root}/a.mp4", "1", "2", "--hand-id", "h", "--captions", str(file), "--json"]
    file.write_text("WEBVTT\n\n00:00.100 --> 00:00.900\n축구\n")
    assert lines(clipping(api, *request))[0]["mode"] == "encode"
    assert lines(clipping(api, *request, "--captions-mode", "track", "--no-audio"))[0]["mode"] == "copy"
    file.write_text("WEBVTT\n\n00:00.100 --> 00:00.1000\n축구\n")
    done = clipping(api, *request)
    assert (done.returncode, done.stdout) == (1, "")
    assert "effects.captions.text line 3: must be the times of a caption" in done.stderr


def test_waiting_ends_with_the_clip(api: ApiProcess) -> None:
    source = f"{api.root}/a.mp4"
    agent = in_the_end(api, lambda request_id: api.send(completed(request_id=request_id)), hand_id="good")
    good = clipping(api, "request", source, "1", "2", "--hand-id", "good", "--wait")
    agent.join(SECONDS)
    assert good.returncode == 0
    assert good.stdout.startswith("http")
    agent = in_the_end(api, lambda request_id: api.send(failed(request_id=request_id)), hand_id="bad")
    bad = clipping(api, "request", source, "1", "2", "--hand-id", "bad", "--wait", "--json")
    agent.join(SECONDS)
    assert bad.returncode == 1
    assert [line["status"] for line in lines(bad)] == ["failed"]


def test_watch_prints_lines_without_a_terminal(api: ApiProcess) -> None:
    request_id = asked(api)
    api.send(progress(request_id=request_id))
    api.wait_for_status(request_id, "processing")
    api.send(completed(request_id=request_id))
    api.wait_for_status(request_id, "completed")
    plain = clipping(api, "watch", request_id)
    assert plain.returncode == 0
    assert f"{request_id}: completed" in plain.stderr
    assert "\x1b" not in plain.stderr
    shown_lines = lines(clipping(api, "watch", request_id, "--json"))
    assert shown_lines[-1]["event"] == "completed"
    assert shown_lines[-1]["data"]["request_id"] == request_id


def test_a_retried_clip_is_described(make_api: MakeApi) -> None:
    api = make_api()
    request_id = asked(api)
    error = {"code": "NO_SPACE", "message": "make room on that disk", "at": datetime.now(UTC)}
    soon = datetime.now(UTC) + timedelta(minutes=5)
    api.send(retrying(request_id=request_id, attempt=2, last_error=error, next_attempt_at=soon))
    eventually(lambda: api.status(request_id).get("stage") == "retrying")
    shown = clipping(api, "status", request_id).stdout
    assert "processing: retrying after NO_SPACE (attempt 2), next try in " in shown
    assert "s ago: NO_SPACE: make room on that disk" in shown
    (found,) = (line for line in clipping(api, "list").stdout.splitlines() if request_id in line)
    assert "retrying after NO_SPACE" in found

    def ends() -> None:
        eventually(lambda: "clipping_api_event_streams 1.0" in api.get("/metrics").text, "the watch")
        api.send(progress(request_id=request_id, attempt=3))
        eventually(lambda: api.status(request_id)["stage"] == "cutting")
        error["at"] = datetime.now(UTC)
        with Client(api.url, key=CLIENT) as client:
            events = client.events(request_id)
            next(events)
            api.send(
                retrying(request_id=request_id, attempt=3, seq=2, last_error=error, next_attempt_at=soon)
            )
            next(event for event in events if event.kind == "retrying")  # the other stream has it as well
            events.close()  # type: ignore[attr-defined]
        api.send(completed(request_id=request_id))

    agent = threading.Thread(target=ends)
    agent.start()
    watched = clipping(api, "watch", request_id)
    agent.join(SECONDS)
    assert watched.returncode == 0
    shown_lines = [line for line in watched.stderr.splitlines() if "retrying after NO_SPACE" in line]
    assert [line.partition("(")[2].partition(")")[0] for line in shown_lines] == ["attempt 2", "attempt 3"]
    assert all(line.endswith("make room on that disk") for line in shown_lines)


def test_watching_shows_a_bar_on_a_terminal(api: ApiProcess) -> None:
    request_id = asked(api)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "clipping.cli", "watch", request_id]
    environ = {**environment(api), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=theirs) as watching:
        os.close(theirs)
        api.send(progress(request_id=request_id, progress_percent=50.0))
        api.wait_for_status(request_id, "processing")
        shown = b""
        while b"50%" not in shown:
            shown += os.read(ours, 65536)
        api.send(completed(request_id=request_id))
        while b"completed:" not in shown:
            shown += os.read(ours, 65536)
        assert watching.wait(SECONDS) == 0
    os.close(ours)
    assert b"cutting" in shown
    assert "━".encode() in shown


def test_a_watch_that_is_given_up_fails(api: ApiProcess) -> None:
    done = clipping(api, "watch", asked(api), "--timeout", "0.5")
    assert done.returncode == 1
    assert "WAITED_TOO_LONG" in done.stderr


def test_status_list_and_cancel(make_api: MakeApi) -> None:
    api = make_api()
    ids = [asked(api, hand_id=f"hand-{number}") for number in range(3)]
    shown = clipping(api, "status", ids[0])
    assert (shown.returncode, ids[0] in shown.stdout) == (0, True)
    both = clipping(api, "status", ids[1], "clip-20261120-000000000000", "--json")
    assert both.returncode == 1
    assert [line["request_id"] for line in lines(both)] == [ids[1]]
    assert "NOT_FOUND" in both.stderr
    assert [line["request_id"] for line in lines(clipping(api, "list", "--json"))] == ids[::-1]
    assert len(lines(clipping(api, "list", "--json", "--limit", "2"))) == 2
    assert lines(clipping(api, "list", "--json", "--after", "2030-01-01")) == []
    table = clipping(api, "list", "--hand-id", "hand-1").stdout.splitlines()
    assert len(table) == 2
    assert table[0].split() == ["REQUEST", "HAND", "AGE", "STATUS"]
    cancelled = clipping(api, "cancel", ids[2])
    assert (cancelled.returncode, cancelled.stdout) == (0, f"{ids[2]}: cancelled\n")
    twice = clipping(api, "cancel", ids[2], ids[1])
    assert twice.returncode == 1
    assert "ALREADY_FINISHED" in twice.stderr
    assert api.status(ids[1])["status"] == "cancelled"
    assert lines(clipping(api, "list", "--status", "cancelled", "--json", "--limit", "0"))
    (retried,) = lines(clipping(api, "retry", ids[1], "--json"))
    assert retried["retry_of"] == ids[1]
    again = clipping(api, "retry", ids[2], ids[0])
    assert (again.returncode, again.stdout) == (1, api.status(ids[2])["retried_as"] + "\n")
    assert f"{ids[0]}: NOT_FINISHED: nothing to retry yet" in again.stderr


def test_a_closed_pipe_prints_no_traceback(api: ApiProcess) -> None:
    asked(api)
    command = [sys.executable, "-m", "clipping.cli", "list", "--json"]
    with subprocess.Popen(
        command, env=environment(api), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert listing.stderr.read() == b""
        assert listing.wait(SECONDS) == 1


def test_a_batch_reports_line_by_line(make_api: MakeApi, tmp_path: Path) -> None:
    api = make_api()
    file = tmp_path / "clips.csv"
    good = [f"hand-{number},{api.root}/a.mp4,{number},{number + 5}" for number in range(150)]
    good[70] = f"hand-70,{api.root}/a.mp4,90,80"
    good[120] = "hand-120,/etc/passwd,1,2"
    good[130] = "hand-130"
    file.write_text("\n".join(["hand_id,nas_video_path,start,end", *good]) + "\n")
    done = clipping(api, "batch", str(file))
    assert done.returncode == 1
    said = done.stdout.splitlines()
    assert len(said) == 150
    assert said[0].startswith("line 2: hand-0: clip-")
    assert said[70] == "line 72: hand-70: end_seconds must be greater than start_seconds"
    assert "nas_video_path must be a file inside" in said[120]
    assert said[130] == "line 132: ?: it has 1 fields, and the first line 4"
    assert "147 of 150 accepted" in done.stderr
    assert api.counts()["requests"] == 147


def test_a_batch_without_valid_clips_reports_each_line(api: ApiProcess) -> None:
    text = "hand_id,nas_video_path,start,end\na b,/x,1,2\nh,/etc/passwd,1,2\n"
    # A process of its own, with an environment and a standard input.
    done = subprocess.run(
        [sys.executable, "-m", "clipping.cli", "batch", "-", "--json"],
        env=environment(api),
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    shown_lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["line"], line["error"]["field"]) for line in shown_lines] == [
        (2, "hand_id"),
        (3, "nas_video_path"),
    ]


def test_a_batch_beyond_the_quota_reports_each_line(make_api: MakeApi, tmp_path: Path) -> None:
    api = make_api(limits={"shorts_per_day": 1})
    file = tmp_path / "shorts.csv"
    head = "hand_id,nas_video_path,start,end,output.aspect,client_item_id\n"
    file.write_text(head + "".join(f"h{n},{api.root}/a.mp4,1,2,9:16,i{n % 2 or ''}\n" for n in range(3)))
    first = lines(clipping(api, "batch", str(file), "--json"))
    assert ["request_id" in line for line in first] == [True, False, False]
    again = clipping(api, "batch", str(file), "--json")
    assert again.returncode == 1
    assert [line["error"]["code"] for line in lines(again)] == ["QUOTA_EXCEEDED"] * 3
    assert "0 of 3 accepted" in again.stderr


def test_a_file_that_breaks_off_is_not_asked_for(api: ApiProcess, tmp_path: Path) -> None:
    file = tmp_path / "half.csv"
    file.write_text(f'hand_id,nas_video_path,start,end\nhalf,{api.root}/a.mp4,1,2\nhalf,"{api.root}')
    done = clipping(api, "batch", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert "line 3: not valid CSV" in done.stderr
    assert api.get("/v1/clips", params={"hand_id": "half"}).json()["clips"] == []


def test_a_batch_waits_for_its_clips(api: ApiProcess, tmp_path: Path) -> None:
    path, file = f"{api.root}/a.mp4", tmp_path / "clips.csv"
    file.write_text(f"hand_id,nas_video_path,start,end\nbatch-a,{path},1,2\nbatch-b,{path},1,2\n")
    agents = [
        in_the_end(api, lambda found: api.send(completed(request_id=found)), hand_id="batch-a"),
        in_the_end(api, lambda found: api.send(failed(request_id=found)), hand_id="batch-b"),
    ]
    done = clipping(api, "batch", str(file), "--wait")
    for agent in agents:
        agent.join(SECONDS)
    assert done.returncode == 1
    assert any(line.startswith("line 2: ") and "completed" in line for line in done.stdout.splitlines())
    assert any(line.startswith("line 3: ") and "SOURCE_CORRUPT" in line for line in done.stdout.splitlines())
    assert "1 of 2 completed" in done.stderr


def test_agents_are_shown_paused_and_led(make_api: MakeApi) -> None:
    api = make_api()
    agents = agents_of(api)
    agents.pair()
    agents.report("nas-3", eligible=False, reasons=("the NAS is not mounted",))
    shown = clipping(api, "agents", key=ADMIN)
    assert shown.returncode == 0
    assert "epoch 7: nas-1 leads" in shown.stdout
    assert "the NAS is not mounted" in shown.stdout
    assert lines(clipping(api, "agents", "--json", key=ADMIN))[0]["leader"] == "nas-1"
    paused = clipping(api, "agents", "--pause", "--reason", "upgrade", key=ADMIN)
    assert paused.stdout == "automatic takeovers are paused by ops: upgrade\n"
    assert "paused by ops" in clipping(api, "agents", key=ADMIN).stdout
    assert clipping(api, "agents", "--resume", key=ADMIN).stdout == "automatic takeovers are on\n"
    client = clipping(api, "agents")
    assert (client.returncode, "FORBIDDEN" in client.stderr) == (1, True)
    assert "keys.json" in client.stderr, "where to get an admin key"


def test_a_failover_says_from_or_to_and_can_be_repeated(make_api: MakeApi) -> None:
    api = make_api()
    agents = agents_of(api)
    agents.pair()
    agents.report("nas-3", eligible=False, reasons=("the NAS is not mounted",))

    def failover(*arguments: str) -> Done:
        return clipping(api, "failover", *arguments, key=ADMIN)

    with obeying(agents):
        done = failover("--from", "nas-1", "--reason", "upgrade")
        assert (done.returncode, done.stdout) == (0, "nas-2 leads since epoch 8\n")
        for again, said in (
            (["--from", "nas-1"], "nas-1 does not lead (nas-2 leads since epoch 8): nothing to do\n"),
            (["--to", "nas-2"], "nas-2 leads already, since epoch 8: nothing to do\n"),
            (["--from", "nas-1", "--to", "nas-2"], "nas-2 leads already, since epoch 8: nothing to do\n"),
        ):
            repeated = failover(*again)
            assert (repeated.returncode, repeated.stdout) == (0, said)
        assert failover("--to", "nas-1").stdout == "nas-1 leads since epoch 9\n"
    refused = failover("--to", "nas-3")
    assert refused.returncode == 1
    assert "NO_ELIGIBLE_TARGET: nas-3 can't take over: the NAS is not mounted" in refused.stderr
    wrong = failover("--from", "nas-2", "--to", "nas-3")
    assert (wrong.returncode, "NOT_POSSIBLE: nas-1 leads" in wrong.stderr) == (1, True)
    once = ["--to", "nas-2", "--no-wait", "--json", "--idempotency-key", "cli-failover"]
    begun, same = failover(*once), failover(*once)
    assert (begun.returncode, lines(begun)[0]["state"]) == (0, "pending")
    assert lines(same) == lines(begun)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["status"], 2, "usage:"),
        (["list", "--status", "lost"], 2, "invalid choice"),
        (["list", "--after", "yesterday"], 2, "must be a time"),
        (["list", "--limit", "-1"], 2, "not a number"),
        (["agents", "--pause", "--resume"], 2, "not allowed with"),
        (["failover"], 2, "--from A"),
        (["failover", "nas-1"], 2, "nas-1 alone is ambiguous: use --from nas-1 or --to nas-1"),
        (["failover", "--from", "nas-1", "--to", "nas-1"], 2, "must name different agents"),
        (["failover", "--from", "nas-1", "--target", "nas-2"], 2, "--target"),
        (["list", "--url", "ftp://x"], 78, "url: must look like"),
        (["list", "--key", "a b\n"], 78, "key: must be"),
        (["batch", "/nowhere.csv"], 2, "No such file"),
        (["batch", "/dev/null"], 2, "the column hand_id is missing"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--metadata", "x"], 2, "not KEY=VALUE"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--speed", "2"], 2, "unrecognized arguments: --sp"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--effects", "/nowhere.json"], 2, "No such file"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--effects", "/dev/null"], 2, "is not valid JSON"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--captions", "/a.ass"], 2, "called .srt or .vtt"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--fps", "nan"], 2, "not a number"),
        (["watch", "clip-20261120-000000000000", "--timeout", "inf"], 2, "not a number"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--idempotency-key", "🎬"], 1, "visible ASCII"),
        (["request", "/a", "1", "2", "--hand-id", "h", "--idempotency-key", "a\nb"], 1, "visible ASCII"),
        (["list", "--key", "nobodys"], 1, "UNAUTHORIZED"),
        (["request", "/etc/passwd", "1", "2", "--hand-id", "h"], 1, "INVALID_REQUEST"),
    ],
)
def test_errors_have_exit_codes(api: ApiProcess, arguments: list[str], code: int, words: str) -> None:
    done = clipping(api, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
