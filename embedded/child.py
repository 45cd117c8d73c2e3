"""One process of the local stack: started, waited for, watched, started again when it dies, stopped."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from clipping.errors import ClippingError
from clipping.signals import Stopped, StopSignals

RESTART_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits before the first, second, … restart; the last one repeats."""
STEADY_SECONDS = 60.0
"""After so long without dying a process starts again at the first wait."""


class StartFailed(ClippingError):
    """A process of the stack did not come up."""

    code = "START_FAILED"


class Child:
    """A process and its log file. `start` and `stop` belong to the stack's main thread.

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
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name=f"watch-{name}", daemon=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *, timeout: float, signals: StopSignals | None = None) -> bytes:
        """Start, and return the first line it prints (empty for one that prints nothing by then and lives).

        Raises `StartFailed` with the end of its log, and `Stopped` when one of `signals` comes before that.
        """
        self._spawn()
        line = self._first_line(timeout, signals)
        if self._process is not None and self._process.poll() is not None:
            raise StartFailed(
                f"{self.name} ended at once (exit {self._process.returncode}): {self.log_tail()}"
            )
        self._watcher.start()
        return line

    def stop(self, timeout: float) -> None:
        """SIGTERM, and SIGKILL after `timeout` seconds."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._watcher.is_alive():
            self._watcher.join(timeout)
        _close(process)

    def log_tail(self, lines: int = 5) -> str:
        """The end of its log."""
        try:
            return "\n".join(self._log_file.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _spawn(self) -> None:
        with self._log_file.open("ab") as log:
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

    def _first_line(self, timeout: float, signals: StopSignals | None) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        stopping = [] if signals is None else [signals.fileno()]
        ready, _, _ = select.select([self._process.stdout.fileno(), *stopping], [], [], timeout)
        if signals is not None and signals.pending():
            raise Stopped
        if not ready:
            self.stop(1.0)
            raise StartFailed(f"{self.name} was not ready within {timeout:g} s: {self.log_tail()}")
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(timeout)
        return line

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
                self._spawn()


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()


def _end(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
