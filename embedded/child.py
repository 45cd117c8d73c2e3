"""One process of the local stack: starts, monitors, restarts and stops it."""

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
"""Delays before the first, second, … restart; the last one repeats."""
STEADY_SECONDS = 60.0
"""Uptime after which the restart delays begin again with the first."""
JOIN_SECONDS = 20.0


class StartFailed(ClippingError):
    """A process of the stack did not start."""

    code = "START_FAILED"


class Child:
    """A process and its log file. Its methods are called on the stack's main thread.

    `libraries` is a module that `load` imports. `notify` is called with a message for the user when the
    process exits and is restarted. The process inherits the descriptor `lock`, so that the lock is held until
    the last process exits."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        log_file: Path,
        notify: Callable[[str], None],
        libraries: str = "",
        lock: int | None = None,
    ) -> None:
        self.name = name
        self._inherited = () if lock is None else (lock,)
        tied = [sys.executable, "-m", "embedded.tied", str(os.getpid()), libraries]
        self._command = [*tied, module, *arguments]
        self._environ = dict(environ)
        self._log_file = log_file
        self._notify = notify
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
        """Readable once `started` would return or raise without blocking."""
        return self._stdout().fileno()

    def started(self) -> bytes:
        """Wait for the first line that it prints, and return it. From then on it is restarted when it exits.

        Raises `StartFailed` with its last log message when it exits instead.
        """
        line = self._stdout().readline()
        assert self._process is not None
        if not line:
            raise StartFailed(self.failure(f"exited with code {self._process.wait()}"))
        self._watcher.start()
        return line

    def failure(self, what: str) -> str:
        """The error, the last message in its log, and the path of the log, in one sentence."""
        message = last_message(self._log_text())
        return f"{self.name} {what}{f': {message}' if message else ''} (log: {self._log_file})"

    def terminate(self) -> None:
        """Send SIGTERM without waiting. A second one makes an agent return its clips to the queue
        immediately."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.send_signal(signal.SIGTERM)

    def running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout: float) -> None:
        """Send SIGTERM, and SIGKILL after `timeout` seconds."""
        self.terminate()
        self.reap(timeout)

    def reap(self, timeout: float) -> None:
        """Wait for the exit after `terminate`, and kill the process after `timeout` seconds."""
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
        """This process's part of the log file, which also contains earlier processes' logs."""
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

    def load(self) -> None:
        """Start the process, which imports its libraries and then waits for `spawn`."""
        self._launch(stdin=subprocess.PIPE)

    def spawn(self) -> None:
        """Start the process, or let a loaded one go on. `started` returns once it is ready."""
        if self._process is None:
            self._launch(stdin=subprocess.DEVNULL)
        elif self._process.stdin is not None:
            self._process.stdin.close()

    def _launch(self, *, stdin: int) -> None:
        with self._log_file.open("ab") as log:
            self._logged_before = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
                # Only the stack receives a terminal's Ctrl-C, so that it can stop the others in order.
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
                # Drain the pipe, so that a process that prints does not block.
                if process.stdout is None or not os.read(process.stdout.fileno(), 65536):
                    process.wait()
            if self._stopping.is_set():
                return
            _close(process)
            deaths = 0 if time.monotonic() - began > STEADY_SECONDS else deaths
            wait = RESTART_SECONDS[min(deaths, len(RESTART_SECONDS) - 1)]
            deaths += 1
            self._notify(f"{self.name} {_exit_text(process.returncode)}; restarting it in {wait:g} s")
            self._stopping.wait(wait)
            with self._lock:
                if self._stopping.is_set():
                    return
                self._launch(stdin=subprocess.DEVNULL)


def last_message(log: str) -> str:
    """The last line of a log; of a JSON line, its message, reason and error. Pure."""
    lines = log.strip().splitlines()
    if not lines:
        return ""
    try:
        fields = json.loads(lines[-1])
    except ValueError:
        return lines[-1]
    if not isinstance(fields, dict):
        return lines[-1]
    parts = [fields.get(name) for name in ("message", "reason", "error")]
    return ": ".join(str(part) for part in parts if part)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _exit_text(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
