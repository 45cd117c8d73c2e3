"""`download`, `stats`, `completion`, what is said of mistyped commands, and of a service that is away."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from api.db.tables import Clip
from clipping.cli import main
from clipping.store.layout import output_key
from clipping.store.local import LocalStore
from tests.api.api_process import CLIENT, ApiProcess
from tests.api.messages import completed
from tests.clipping.commands.test_commands import asked, clipping, environment, lines
from tests.support.waiting import eventually

CLIP = b"clip" * 10_000


def completed_clip(api: ApiProcess) -> str:
    request_id = asked(api)
    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    source = api.folder / "clip.mp4"
    source.write_bytes(CLIP)
    key = output_key(request_id, "hand-1", "mp4", short=False)
    store.create(key, source, content_type="video/mp4", metadata={})
    sha256 = hashlib.sha256(CLIP).hexdigest()
    api.send(completed(request_id=request_id, output_uri=store.uri(key), sha256=sha256))
    api.wait_for_status(request_id, "completed")
    return request_id


def test_a_clip_is_downloaded(api: ApiProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = completed_clip(api)
    monkeypatch.chdir(tmp_path)
    done = clipping(api, "download", request_id)
    assert (done.returncode, done.stdout) == (0, "hand-1.mp4\n")
    assert (tmp_path / "hand-1.mp4").read_bytes() == CLIP
    again = clipping(api, "download", request_id)
    assert (again.returncode, again.stdout) == (1, "")
    assert "NOT_SAVED: hand-1.mp4 exists" in again.stderr
    (printed,) = lines(clipping(api, "download", request_id, "-o", str(tmp_path / "x.mp4"), "--json"))
    assert (printed["path"], printed["file_size_bytes"]) == (str(tmp_path / "x.mp4"), len(CLIP))
    assert clipping(api, "download", request_id, "-o", str(tmp_path), "--force").returncode == 0
    waiting = clipping(api, "download", asked(api))
    assert (waiting.returncode, "NOT_READY" in waiting.stderr) == (1, True)


def test_commands_say_until_when_a_clip_is_kept(api: ApiProcess) -> None:
    request_id = completed_clip(api)
    assert "\n  kept for 30 d\n" in clipping(api, "status", request_id).stdout
    assert ", kept for 30 d\n" in clipping(api, "list").stdout
    with api.database() as database, database.write() as session:
        old = datetime.now(UTC) - timedelta(days=33)
        session.execute(update(Clip).where(Clip.request_id == request_id).values(stored_at=old))
    assert ", deleted 3 d ago\n" in clipping(api, "list").stdout
    for command in ("status", "watch", "download"):
        done = clipping(api, command, request_id)
        assert (done.returncode, done.stdout) == (1, "")
        assert "EXPIRED: the clip was deleted at the end of its retention period, on " in done.stderr


def test_numbers_over_a_period(api: ApiProcess) -> None:
    completed_clip(api)
    shown = clipping(api, "stats", "--period", "7d")
    assert shown.returncode == 0
    assert " in 7d\n" in shown.stdout
    (printed,) = lines(clipping(api, "stats", "--json"))
    assert (printed["period"], printed["completed"] >= 1) == ("24h", True)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("staus", "unknown command 'staus': did you mean 'status'?"),
        ("fail-over", "did you mean 'failover'?"),
        ("xyz", "unknown command 'xyz'; see clipping --help"),
    ],
)
def test_a_mistyped_command_is_guessed(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([typed, "clip-1"]) == 2
    assert said in capsys.readouterr().err


def test_negative_times_are_not_parsed_as_options(api: ApiProcess) -> None:
    for times, said in (
        (["-0:10", "0:20"], "argument start: '-0:10' must not be negative"),
        (["0:10", "-5"], "argument end: '-5' must not be negative"),
        (["1", "2", "--pre-roll", "-0:01"], "argument --pre-roll: '-0:01' must not be negative"),
        (["1:75", "2"], "argument start: '1:75' must be a number of seconds or a time like"),
    ):
        done = clipping(api, "request", "/x", *times, "--hand-id", "h")
        assert done.returncode == 2
        assert said in done.stderr


def test_the_codec_is_named_as_by_the_agents_own_command(api: ApiProcess) -> None:
    source = f"{api.root}/a.mp4"
    done = clipping(api, "request", source, "1", "2", "--hand-id", "h", "--codec", "hevc", "--json")
    assert lines(done)[0]["mode"] == "encode"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_completions(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("failover", "--hand-id", "download"):
        assert word.removeprefix("--") in script
    if (program := shutil.which(shell)) is not None:
        (tmp_path / "script").write_text(script)
        subprocess.run([program, "-n", str(tmp_path / "script")], check=True, timeout=30)


def test_bash_completes_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    asks = "COMP_WORDS=(clipping dow); COMP_CWORD=1; _shtab_clipping; echo ${COMPREPLY[@]}"
    script = f"{capsys.readouterr().out}\n{asks}\n"
    done = subprocess.run(
        ["bash", "--norc"], input=script, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == ["download"]


def test_watching_says_within_seconds_that_the_service_is_away() -> None:
    request_id = "clip-20261120-8t3vq0z6m4k1h9pn"
    command = [sys.executable, "-m", "clipping.cli", "watch", request_id, "--url", "http://127.0.0.1:9"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
    finally:
        process.kill()
        process.communicate()
    assert said.startswith(f"{request_id}: http://127.0.0.1:9 does not answer: ")
    assert said.endswith("Connection refused: trying again\n")


@pytest.mark.slow
def test_a_hanging_service_is_reported(api: ApiProcess, tmp_path: Path) -> None:
    request_id = asked(api)
    log = tmp_path / "stderr"
    os.kill(api.pid, signal.SIGSTOP)
    try:
        with log.open("w") as stderr:
            command = [sys.executable, "-m", "clipping.cli", "watch", request_id]
            process = subprocess.Popen(command, stderr=stderr, env=environment(api, CLIENT))
        try:
            eventually(log.read_text, "a word of the service", within=30)
        finally:
            process.kill()
            process.wait()
    finally:
        os.kill(api.pid, signal.SIGCONT)
    assert log.read_text() == f"{request_id}: the service has not answered yet\n"


def test_an_outage_is_reported_once(api: ApiProcess, tmp_path: Path) -> None:
    request_id = asked(api)
    log = tmp_path / "stderr"
    with log.open("w") as stderr:
        command = [sys.executable, "-m", "clipping.cli", "watch", request_id]
        process = subprocess.Popen(
            command, stderr=stderr, stdout=subprocess.PIPE, env=environment(api, CLIENT)
        )
    try:
        eventually(lambda: "queued" in log.read_text())
        api.kill()
        eventually(lambda: "trying again" in log.read_text())
        api.start()
        api.send(completed(request_id=request_id))
        assert process.communicate(timeout=60)[0].startswith(b"http")
    finally:
        process.kill()
        process.communicate()
    assert log.read_text().count("trying again") == 1


def test_a_recording_is_uploaded(api: ApiProcess, tmp_path: Path) -> None:
    (tmp_path / "table.mp4").write_bytes(b"recording" * 1000)
    done = clipping(api, "upload", str(tmp_path / "table.mp4"))
    assert done.returncode == 0, done.stderr
    uri = done.stdout.strip()
    assert uri.startswith("file:///")
    assert uri.endswith("/table.mp4")
    (printed,) = lines(clipping(api, "upload", str(tmp_path / "table.mp4"), "--json"))
    assert set(printed) == {"upload_id", "source_uri"}
    asked_for = clipping(api, "request", uri, "1", "2", "--hand-id", "h", "--json")
    assert asked_for.returncode == 0, asked_for.stderr
    missing = clipping(api, "upload", str(tmp_path / "none.mp4"))
    assert missing.returncode == 1
    assert "NOT_UPLOADED" in missing.stderr
    typed = clipping(api, "upload", str(tmp_path / "table.mp4"), "--content-type", "text/plain")
    assert typed.returncode == 1
    assert "content_type must be video/" in typed.stderr
