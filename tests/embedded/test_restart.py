"""Restarting `clipping up` after a kill, and while its folder is in use."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from embedded.layout import HOST, free_port
from tests.support.media import Recording, make
from tests.support.procs import alive, descendants_of
from tests.support.stack import RunningStack
from tests.support.up import Up, locked


@pytest.mark.slow
def test_a_killed_stack_restarts_immediately_and_finishes_its_clip(tmp_path: Path) -> None:
    nas, port = tmp_path / "nas", free_port()
    nas.mkdir()
    shutil.copy(make(Recording(seconds=60)), nas / "night.mp4")
    api = {"port": port, "public_url": f"http://{HOST}:{port}"}
    with RunningStack(tmp_path / "data", nas, agents=2, api=api) as stack:
        long = {"start_seconds": 0, "end_seconds": 59, "mode": "encode"}
        request_id = stack.ask(nas_video_path=str(nas / "night.mp4"), **long)
        stack.hold_cut(request_id)
        orphans = descendants_of(stack.process.pid)
        assert any("ffmpeg" in name_of(pid) for pid in orphans)
        stack.kill()
        stack.start()
        assert [pid for pid in orphans if alive(pid)] == []
        assert stack.wait(request_id, timeout=120)["status"] == "completed"
        assert stack.stop() == 0


@pytest.mark.slow
def test_a_second_stack_waits_for_the_folder_and_then_names_the_process_that_uses_it(tmp_path: Path) -> None:
    with locked(tmp_path / "data" / "lock"):
        up = Up(tmp_path, "--data", tmp_path / "data", "--port", 0)
        up.wait_for(f"{tmp_path}/data is in use by process {os.getpid()} (")
        up.wait_for("waiting up to 10 s for its exit")
        assert up.exit_code() == 78
    last = up.output().splitlines()[-1]
    assert last.startswith(f"configuration: --data: {tmp_path}/data is in use by process {os.getpid()} (")
    assert last.endswith("stop that first, or use another --data")


def test_a_waiting_start_can_be_stopped(tmp_path: Path) -> None:
    with locked(tmp_path / "data" / "lock"):
        up = Up(tmp_path, "--data", tmp_path / "data", "--port", 0)
        up.wait_for("waiting up to")
        up.process.send_signal(signal.SIGINT)
        assert up.exit_code() == 0


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
