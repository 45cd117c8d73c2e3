"""A fork of this process, for a command that has nothing to lose by it: it starts at once."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress


class Forked:
    """Runs a function in a fork, in a session of its own, without this process's stdin and open files. The
    methods are those of `subprocess.Popen`.

    Fork while this process has one thread: locks that others hold would stay locked.
    """

    def __init__(self, run: Callable[[], object], *, keep: int) -> None:
        """`keep`: the descriptor that the fork keeps, besides stdout and stderr."""
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _detach(keep)
                run()
            except BaseException:  # noqa: BLE001 - the process's root
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(1)

    def poll(self) -> int | None:
        """The exit code, as `wait` returns it; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises `TimeoutExpired`."""
        if self.poll() is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                ended, _, _ = select.select([descriptor], [], [], timeout)
            finally:
                os.close(descriptor)
            if not ended:
                raise subprocess.TimeoutExpired("fork", timeout or 0)
        code = self.poll()
        assert code is not None, "it has ended"
        return code

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _detach(keep: int) -> None:
    os.setsid()
    os.chdir(os.path.sep)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor != keep:
            with suppress(OSError):  # that of the list itself
                os.close(descriptor)
