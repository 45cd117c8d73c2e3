"""Runs something in a process of its own, and measures what it and its processes use."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.procs import descendants_of

_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Used:
    """What a run has used."""

    cpu: float
    """Seconds."""
    wall: float
    """Seconds."""
    memory: int
    """The largest sum of the memory of its processes, in bytes; what they share counts once (PSS)."""


def used_by(run: Callable[[], None]) -> Used:
    """Run it, with all processes that it starts and waits for. Exits when it fails."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            run()
            code = 0
        except BaseException:  # noqa: BLE001  (it must not go on as a copy of this process)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    memory = 0
    try:
        while True:
            ended, status, usage = os.wait4(child, os.WNOHANG)
            if ended:
                break
            memory = max(memory, memory_of(child))
            time.sleep(_LOOK_SECONDS)
    except BaseException:
        os.killpg(child, signal.SIGKILL)
        raise
    if status != 0:
        raise SystemExit("a run failed: see above")
    return Used(usage.ru_utime + usage.ru_stime, time.monotonic() - began, memory)


def memory_of(pid: int) -> int:
    """PSS of a process and of all that it has started, in bytes."""
    found = 0
    for each in (pid, *descendants_of(pid)):
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            found += next(int(row.split()[1]) << 10 for row in rollup.splitlines() if row[:4] == "Pss:")
        except (OSError, StopIteration):
            continue  # it has ended
    return found
