"""One process of the local stack: started, watched, restarted when it dies, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from clipping.errors import ClippingError

RESTART_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits before the first, second, … restart; the last one repeats."""
STEADY_SECONDS = 60.0
"""After so long without dying a process starts again at the first wait."""
JOIN_SECONDS = 20.0


class StartFailed(ClippingError):
    """A process of the stack did not come up."""

    code = "START_FAILED"


class Child:
    """A process and its log file. Its methods belong to the stack's main thread.

    `told` is called with a sentence for the user when the process dies and is started again. It inherits the
    descriptor `lock`, so that what that locks is locked until the last process is gone.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        log_file: Path,
        told: Callable[[str], None],
        lock: int | None = None,
    ) -> None:
        self.name = name
        self._inherited = () if lock is None else (lock,)
        self._command = [sys.executable, "-m", module, *arguments]
        self._environ = dict(environ)
        self._log_file = log_file
        self._told = told
        self._logged_before = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name=f"watch-{name}", daemon=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def fileno(self) -> int:
        """Readable once `started` returns or raises without waiting."""
        return self._stdout().fileno()

    def started(self) -> bytes:
        """The first line that it prints; from then on it is restarted when it dies.

        Raises `StartFailed` with its last words when it ends instead.
        """
        line = self._stdout().readline()
        assert self._process is not None
        if not line:
            raise StartFailed(self.failure(f"ended with exit code {self._process.wait()}"))
        self._watcher.start()
        return line

    def failure(self, what: str) -> str:
        """One sentence: what went wrong, the last words in its log, and where the rest is."""
        words = last_words(self._log_text())
        return f"{self.name} {what}{f': {words}' if words else ''} (log: {self._log_file})"

    def terminate(self) -> None:
        """SIGTERM, without waiting. A second one tells an agent to give its clips back at once."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.send_signal(signal.SIGTERM)

    def running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout: float) -> None:
        """SIGTERM, and SIGKILL after `timeout` seconds."""
        self.terminate()
        self.reap(timeout)

    def reap(self, timeout: float) -> None:
        """Wait for the end after `terminate`, and kill it after `timeout` seconds."""
        process = self._process
        if process is None:
            return
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._watcher.is_alive():
            self._watcher.join(JOIN_SECONDS)
        _close(process)

    def _log_text(self) -> str:
        """What this process logged: the file also holds what earlier ones did."""
        try:
            with self._log_file.open(errors="replace") as file:
                file.seek(self._logged_before)
                return file.read()
        except OSError:
            return ""

    def _stdout(self) -> IO[bytes]:
        assert self._process is not None, "spawned"
        assert self._process.stdout is not None
        return self._process.stdout

    def spawn(self) -> None:
        """Start the process. `started` returns once it is ready."""
        with self._log_file.open("ab") as log:
            self._logged_before = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "embedded.tied", str(os.getpid()), *self._command],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C in a terminal is the stack's alone: it stops the others in order.
                start_new_session=True,
                pass_fds=self._inherited,
            )

    def _watch(self) -> None:
        deaths = 0
        while True:
            process = self._process
            assert process is not None
            began = time.monotonic()
            while process.poll() is None:
                # The pipe must be emptied, or a process that prints would block.
                if process.stdout is None or not os.read(process.stdout.fileno(), 65536):
                    process.wait()
            if self._stopping.is_set():
                return
            _close(process)
            deaths = 0 if time.monotonic() - began > STEADY_SECONDS else deaths
            wait = RESTART_SECONDS[min(deaths, len(RESTART_SECONDS) - 1)]
            deaths += 1
            self._told(f"{self.name} {_end(process.returncode)}; starting it again in {wait:g} s")
            self._stopping.wait(wait)
            with self._lock:
                if self._stopping.is_set():
                    return
                self.spawn()


def last_words(log: str) -> str:
    """The message in a log's last line: of a JSON line its message, reason and error. Pure."""
    lines = log.strip().splitlines()
    if not lines:
        return ""
    try:
        fields = json.loads(lines[-1])
    except ValueError:
        return lines[-1]
    if not isinstance(fields, dict):
        return lines[-1]
    words = [fields.get(name) for name in ("message", "reason", "error")]
    return ": ".join(str(word) for word in words if word)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()


def _end(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
