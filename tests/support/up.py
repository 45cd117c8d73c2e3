"""Runs `clipping up` and captures its output."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import eventually

END_SECONDS = 120


class Up:
    """A `clipping up` process with its stdout and stderr in one file."""

    def __init__(self, folder: Path, *arguments: object, prefix: Sequence[str] = ()) -> None:
        self._log = folder / "up.log"
        command = [*prefix, sys.executable, "-m", "clipping.cli", "up", *map(str, arguments)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until the output contains `text`. Fails if the process exits without printing it."""

        def printed() -> bool:
            assert self.process.poll() is None or text in self.output(), self.output()
            return text in self.output()

        eventually(printed, text, within=END_SECONDS, logs=self.output)

    def exit_code(self) -> int:
        """Wait for the exit. Fails if a traceback was printed."""
        code = self.process.wait(END_SECONDS)
        assert "Traceback" not in self.output()
        return code

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.exit_code()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
