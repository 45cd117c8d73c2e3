"""Cuts in threads of their own, and the processes that they run in."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

from agent.cutting import Clip, CutSpec, Engine, Interruption, find_ffmpeg
from clipping.contract.choices import Mode, Stage
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.errors import ClippingError
from tests.support.media import Recording, make

PART = Recording("mkv", seconds=60, gop=250, video=("-c:v", "mpeg2video", "-qscale:v", "2", "-g", "250"))
PATIENCE = 60


@cache
def make_long() -> Path:
    """Ten minutes, which take many seconds to encode. Only the first of them is generated."""
    part = make(PART)
    path = part.with_name("long.mkv")
    command = [
        find_ffmpeg(None),
        "-v",
        "error",
        "-nostdin",
        "-stream_loop",
        "9",
        "-i",
        part,
        "-c",
        "copy",
        path,
    ]
    subprocess.run(command, check=True, timeout=PATIENCE)
    return path


class Cutting(threading.Thread):
    """A cut in a thread of its own, as the daemon does it."""

    def __init__(
        self,
        engine: Engine,
        source: Path,
        folder: Path,
        mode: Mode,
        end: int = 500,
        effects: Effects = NO_EFFECTS,
    ) -> None:
        super().__init__(name="cutting", daemon=True)
        self._engine = engine
        self._spec = CutSpec(source, Fraction(1), Fraction(end), mode, "high", effects=effects)
        self._folder = folder
        self.interruption = Interruption()
        self.under_way = threading.Event()
        self.reported: list[tuple[Stage, float]] = []
        self.clip: Clip | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.clip = self._engine.cut(
                self._spec, self._folder, progress=self._report, interruption=self.interruption
            )
        except ClippingError as error:
            self.error = error

    def _report(self, stage: Stage, percent: float) -> None:
        self.reported.append((stage, percent))
        if stage == "cutting" and percent > 4:
            self.under_way.set()


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def processes(word: str) -> list[int]:
    """The processes with `word` in their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if word.encode() in command and state != "Z":
                found.append(int(entry.name))
    return found


def group_of(pid: int) -> list[int]:
    """The live processes of a process group."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == pid and fields[0] != "Z":
                members.append(int(entry.name))
    return members


def server_pid() -> int:
    """The fork server of this process that was started last."""
    return [pid for pid in processes("process.server") if parent_of(pid) == os.getpid()][-1]


def is_alive(pid: int) -> bool:
    try:
        return (Path(f"/proc/{pid}") / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent_of(pid: int) -> int:
    """0 when the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def ffmpeg_at(spool: Path) -> int:
    """The ffmpeg that works in `spool`. A process that was forked and is not yet its own shows its parent's
    command line, so that counting would not do."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid in processes(str(spool)) if _program(pid).startswith("ffmpeg")]
        return len(found) == 1

    assert wait_for(look)
    return found[0]


def _program(pid: int) -> str:
    try:
        return Path(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()).name
    except OSError:
        return ""
