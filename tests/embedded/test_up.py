"""`clipping up` for a user: its progress, warnings, failed starts, and a second Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from embedded.layout import HOST
from tests.support.cluster import HeldCut
from tests.support.media import Recording, make
from tests.support.procs import descendants_of, has_open
from tests.support.stack import RunningStack
from tests.support.up import END_SECONDS, Up, locked
from tests.support.waiting import eventually

Start = Callable[..., Up]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `clipping up`, and kills it after a failed test."""
    started: list[Up] = []

    def start(*arguments: object, prefix: Sequence[str] = ()) -> Up:
        started.append(Up(tmp_path, *arguments, prefix=prefix))
        return started[-1]

    yield start
    for up in started:
        up.process.kill()
        up.process.wait()


def failed_start(up: Up) -> tuple[int, str]:
    """The exit code of a failed start, and the one line that it printed."""
    code = up.exit_code()
    (line,) = up.output().splitlines()
    return code, line


def test_a_port_in_use(tmp_path: Path, start: Start) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        code, line = failed_start(start("--data", tmp_path / "data", "--port", port))
    assert code == 1
    assert re.fullmatch(
        rf"START_FAILED: port {port} is in use by process {os.getpid()} \(.*\): "
        r"stop that first, or choose another --port",
        line,
    )


def test_a_data_folder_in_use_by_a_running_stack(tmp_path: Path, start: Start) -> None:
    lock = tmp_path / "data" / "lock"
    with locked(lock):
        lock.write_text(str(os.getpid()))
        code, line = failed_start(start("--data", tmp_path / "data", "--port", 0))
    assert (code, line) == (
        78,
        f"configuration: --data: {tmp_path}/data is in use by another `clipping up` (process {os.getpid()}): "
        "stop that first, or use another --data",
    )


@pytest.mark.parametrize("existing", [False, True])
def test_a_data_folder_that_cannot_be_written(tmp_path: Path, start: Start, existing: bool) -> None:
    parent = tmp_path / "parent"
    data = parent / "data"
    place = data / "broker" if existing else data
    place.mkdir(parents=True) if existing else parent.mkdir()
    place.chmod(0o555) if existing else parent.chmod(0o555)
    # Root can write everywhere, unless it drops that capability.
    as_user = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
    code, line = failed_start(start("--data", data, "--port", 0, prefix=as_user))
    assert code == 78
    assert re.fullmatch(
        rf"configuration: --data: {place} can't be written \(Permission denied\): "
        r"make it writable for user \w+, or use another --data",
        line,
    )


def test_a_data_folder_that_is_a_file(tmp_path: Path, start: Start) -> None:
    (tmp_path / "data").write_text("not a folder")
    code, line = failed_start(start("--data", tmp_path / "data", "--port", 0))
    assert code == 78
    assert line.startswith(
        f"configuration: --data: {tmp_path}/data/broker can't be written (Not a directory): "
    )


def test_a_full_disk(tmp_path: Path, start: Start) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=8m tmpfs {disk} && exec "$@"'
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, timeout=30, check=False).returncode != 0:
        pytest.skip("file systems can't be mounted on this machine")
    code, line = failed_start(start("--data", disk / "data", "--port", 0, prefix=prefix))
    assert (code, line) == (
        78,
        f"configuration: --data: the disk of {disk}/data is full: free some space, or use another --data",
    )


def test_a_missing_folder_of_recordings(tmp_path: Path, start: Start) -> None:
    code, line = failed_start(start("--data", tmp_path / "data", "--nas-root", tmp_path / "nas"))
    assert (code, line) == (
        78,
        f"configuration: --nas-root: {tmp_path}/nas is not a folder: create it, or pass another one",
    )


@pytest.mark.slow
def test_a_failed_component_is_reported_with_its_reason_and_its_log(tmp_path: Path, start: Start) -> None:
    broker = tmp_path / "data" / "broker"
    broker.mkdir(parents=True)
    up = start("--data", tmp_path / "data", "--port", 0)
    up.wait_for("broker is ready")
    up.stop()
    (database,) = broker.glob("*.sqlite3")
    for path in broker.glob("*.sqlite3*"):
        path.unlink()
    database.write_bytes(b"not a database" * 1000)
    up = start("--data", tmp_path / "data", "--port", 0)
    assert up.exit_code() == 1
    first, last = up.output().splitlines()
    assert first == "starting broker"
    assert re.fullmatch(
        rf"START_FAILED: broker exited with code 1: .*not a database.* "
        rf"\(log: {tmp_path}/data/logs/broker.log\)",
        last,
    )


@pytest.mark.slow
def test_progress_and_warnings_are_shown_in_the_terminal(tmp_path: Path, start: Start) -> None:
    nas = tmp_path / "nas"
    nas.mkdir()
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"agent": {"min_free_bytes": 10**15}}))
    data = ("--data", tmp_path / "data", "--port", 0, "--nas-root", nas, "--config", overlay)
    up = start(*data)
    empty = f"nas {nas}: {nas} is empty: mount the NAS there, or add a recording (agent-1, agent-2)"
    up.wait_for(f"warning: {empty}")
    up.wait_for("make room on that disk (agent-1, agent-2)")
    warnings = [line for line in up.output().splitlines() if line.startswith("warning: ")]
    # On a busy machine the election can outlast the checks.
    warnings = [line for line in warnings if not line.startswith("warning: no agent leads")]
    assert sorted(line.split()[1] for line in warnings) == ["nas", "spool:"], "no consequences of these"
    lines = up.output().splitlines()
    assert lines[0] == "starting broker"
    assert re.fullmatch(r"  broker is ready after \d+\.\d s", lines[1])
    assert lines[2] == "starting api, agent-1, agent-2"
    ready = {line.split()[0] for line in lines if " is ready after " in line}
    assert ready == {"broker", "api", "agent-1", "agent-2"}
    assert not any(line.startswith("{") for line in lines), "no JSON"
    shutil.copy(make(Recording(seconds=10)), nas / "night.mp4")
    up.wait_for(f"resolved: {empty}")
    assert up.output().count(empty) == 2
    assert up.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_second_ctrl_c_requeues_the_clips_and_exits(tmp_path: Path) -> None:
    nas = tmp_path / "nas"
    nas.mkdir()
    shutil.copy(make(Recording(seconds=60)), nas / "night.mp4")
    with RunningStack(tmp_path / "data", nas, agents=2) as stack:
        request_id = stack.ask(
            nas_video_path=str(nas / "night.mp4"), start_seconds=0, end_seconds=59, mode="encode"
        )
        _hold(stack, request_id)
        stack.process.send_signal(signal.SIGINT)
        eventually(lambda: "Ctrl-C again" in stack.logs(), "the first Ctrl-C to take effect")
        stack.status(request_id)  # the API still responds: only the agents are stopping
        stack.process.send_signal(signal.SIGINT)
        signalled = time.monotonic()
        assert stack.process.wait(END_SECONDS) == 0, "although the cut is frozen"
        print(f"exited {time.monotonic() - signalled:.1f} s after the second Ctrl-C")
        stack.kill()
        assert "clips in flight are returned to the queue" in stack.logs()
        stack.start()
        status = stack.wait(request_id, timeout=120)
        assert (status["status"], status["attempt"]) == ("completed", 2)
        assert stack.stop() == 0


def _hold(stack: RunningStack, request_id: str) -> None:
    """Freeze the clip's cut while it writes, so that the agent can't finish it."""
    folders = [stack.data / "agents" / f"agent-{number}" / "spool" / request_id for number in (1, 2)]
    writer: int = eventually(
        lambda: next(
            (pid for pid in descendants_of(stack.process.pid) if any(has_open(pid, f) for f in folders)), None
        ),
        f"an agent to cut {request_id}",
        logs=stack.logs,
    )
    HeldCut(os.getpgid(writer))
