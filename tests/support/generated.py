"""Files that ffmpeg generates: once per test run, also when the run has several processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SHARED_FOLDER = "TEST_RECORDINGS"
"""Environment variable: the folder in which the processes of a test run share what was generated."""
_SECONDS_TO_MAKE = 100
_TRIES = 2
"""ffmpeg 9 hangs once in some ten thousand runs, before its first frame."""


def generate(arguments: Sequence[str], path: Path) -> None:
    """Run a command whose last argument is its output `path`, or copy what another process made with it."""
    shared = os.environ.get(SHARED_FOLDER)
    if shared is None:
        _run(arguments, path)
        return
    key = hashlib.sha256("\0".join(arguments).encode()).hexdigest()
    made = Path(shared, key + path.suffix)
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = made.with_name(f"unfinished-{made.name}")
            _run(arguments, unfinished)
            unfinished.replace(made)
    shutil.copyfile(made, path)


def _run(arguments: Sequence[str], path: Path) -> None:
    command = [*arguments, str(path)]
    for attempt in range(_TRIES):
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=_SECONDS_TO_MAKE / _TRIES)
            return
        except subprocess.TimeoutExpired:
            if attempt == _TRIES - 1:
                raise
