"""`clipping up` as a terminal sees it."""

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
    """`clipping up` with its output on both streams in one place."""

    def __init__(self, folder: Path, *arguments: object, prefix: Sequence[str] = ()) -> None:
        self._log = folder / "up.log"
        command = [*prefix, sys.executable, "-m", "clipping.cli", "up", *map(str, arguments)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def said(self) -> str:
        return self._log.read_text()

    def says(self, words: str) -> None:
        def look() -> bool:
            assert self.process.poll() is None or words in self.said(), self.said()
            return words in self.said()

        eventually(look, words, within=END_SECONDS, logs=self.said)

    def end(self) -> int:
        code = self.process.wait(END_SECONDS)
        assert "Traceback" not in self.said()
        return code

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.end()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
