"""Waiting for SIGTERM and SIGINT.

Python runs a signal handler in the main thread, between two bytecodes. A handler that sets an `Event`
deadlocks if the main thread is inside that event's `wait` and holds its lock. A handler that raises can
interrupt any library at any point. Here the handler does nothing: the interpreter writes the signal's number
to a pipe.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

STOPPING = (signal.SIGTERM, signal.SIGINT)

Result = TypeVar("Result")


class Stopped(Exception):
    """A signal ended the work, which has cleaned up. `code` is the exit code."""

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.code = code


class StopSignals:
    """Queues SIGTERM, SIGINT and the signals in `also` until they are read. Construct it once, in the main
    thread."""

    def __init__(self, *also: signal.Signals) -> None:
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (*STOPPING, *also):
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        """Readable while there is an unread signal."""
        return self._reader.fileno()

    def wait(self, timeout: float | None = None) -> str | None:
        """Read the next signal and return its name; None after `timeout` seconds without one."""
        readable, _, _ = select.select([self._reader], [], [], timeout)
        return signal.Signals(self._reader.recv(1)[0]).name if readable else None

    def pending(self) -> bool:
        """Whether there is an unread SIGTERM or SIGINT."""
        try:
            waiting = self._reader.recv(4096, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        return any(number in STOPPING for number in waiting)


@contextmanager
def quiet_interrupts() -> Iterator[None]:
    """SIGINT ends the process at once, as SIGTERM does: there is nothing to clean up yet.

    `KeyboardInterrupt` would instead print a traceback, or leave a partially imported module.
    """
    if not _raises_interrupts():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def raised_interrupts() -> Iterator[None]:
    """Within `quiet_interrupts`: SIGINT raises `KeyboardInterrupt`, so that the terminal is restored."""
    quiet = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    )
    if not quiet:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def until_stopped(work: Callable[[], Result], stop: Callable[[], None], *, grace: float) -> Result:
    """Run `work` in a separate thread, and return or raise its result.

    SIGINT or SIGTERM calls `stop`, which asks the work to end, and raises `Stopped` with 128 + the signal's
    number once the work has ended. If the work completes anyway, its result is returned. A second signal, or
    `grace` seconds without an end, end the process with that code. Call it in the main thread.
    """
    before = {number: signal.getsignal(number) for number in STOPPING}
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in STOPPING:
        signal.signal(number, lambda *_: None)
    try:
        return _supervised(work, stop, reader, writer, grace)
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _supervised(
    work: Callable[[], Result], stop: Callable[[], None], reader: int, writer: int, grace: float
) -> Result:
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - top of the thread: raised in the main thread
            errors.append(error)
        finally:
            os.write(writer, b"\0")

    thread = threading.Thread(target=run, name="work", daemon=True)
    thread.start()
    number = _next(reader, None)
    if number:
        stop()
        if _next(reader, grace) != 0:
            os._exit(128 + number)
    thread.join()
    if results:
        return results[0]
    if number:
        raise Stopped(128 + number)
    raise errors[0]


def _next(reader: int, timeout: float | None) -> int | None:
    """The next signal's number; 0 when the work has ended; None after `timeout` seconds."""
    readable, _, _ = select.select([reader], [], [], timeout)
    return os.read(reader, 1)[0] if readable else None


def _raises_interrupts() -> bool:
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
