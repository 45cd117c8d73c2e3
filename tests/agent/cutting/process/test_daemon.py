"""Cuts end with the daemon that ordered them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clipping.errors import NoSpace
from tests.agent.cutting.process.cuts import (
    PATIENCE,
    ffmpeg_at,
    group_of,
    is_alive,
    parent_of,
    wait_for,
)
from tests.support.media import make

DAEMON = """
import sys
from fractions import Fraction
from pathlib import Path
from agent.cutting import CutSpec, Engine, EngineSettings

source, folder, mode, end = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Fraction(sys.argv[4])
engine = Engine(EngineSettings())
engine.start()
if len(sys.argv) > 5:
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
spec = CutSpec(source, Fraction(1), end, mode, "high")
try:
    clip = engine.cut(spec, folder, progress=lambda *p: print(*p, flush=True))
    print("done", clip.report.frames, flush=True)
except Exception as error:
    print("failed", type(error).__name__, error, flush=True)
engine.close()
"""


def daemon(source: Path, folder: Path, mode: str, end: int, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(source), str(folder), mode, str(end), *more],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_kill_9_of_the_daemon_leaves_no_process(long_recording: Path, spool: Path) -> None:
    process = daemon(long_recording, spool, "encode", 500)
    ffmpeg = ffmpeg_at(spool)
    group = os.getpgid(ffmpeg)
    server = parent_of(group)
    process.kill()
    assert wait_for(lambda: not group_of(group) and not is_alive(server))
    process.communicate(timeout=PATIENCE)


def test_a_frozen_cutting_process_too_dies_with_the_daemon(long_recording: Path, spool: Path) -> None:
    process = daemon(long_recording, spool, "encode", 500)
    ffmpeg = ffmpeg_at(spool)
    group = os.getpgid(ffmpeg)
    os.killpg(group, signal.SIGSTOP)
    process.kill()
    assert wait_for(lambda: not group_of(group))
    process.communicate(timeout=PATIENCE)


def test_ctrl_c_does_not_end_a_cut_in_flight(spool: Path) -> None:
    process = daemon(make(), spool, "encode", 11, "ignore")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("cutting"):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
            break
    rest, _ = process.communicate(timeout=PATIENCE)
    assert rest.splitlines()[-1] == "done 250"


@pytest.mark.slow
def test_a_full_disk_is_reported_as_such_and_leaves_nothing(spool: Path) -> None:
    # The kernel refuses growth above the limit as a full disk does: there is no filling one without root.
    script = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n" + DAEMON
    for mode in ("copy", "smart", "encode"):
        answer = subprocess.run(
            [sys.executable, "-c", script, str(make()), str(spool), mode, "11"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert answer.stdout.splitlines()[-1].startswith(f"failed {NoSpace.__name__}")
        assert list(spool.iterdir()) == []
