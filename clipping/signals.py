"""SIGTERM and SIGINT as something to wait for.

Python runs a handler in the main thread between two of its bytecodes. One that sets an `Event` can find the
main thread in the middle of that event's `wait`, holding its lock, and then hangs for ever. Here the handler
does nothing: the interpreter writes the signal's number into a pipe.
"""

from __future__ import annotations

import os
import select
import signal


class StopSignals:
    """From its construction on, these signals and `also` wait to be read. Construct it in the main thread,
    once."""

    def __init__(self, *also: signal.Signals) -> None:
        self._reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, *also):
            signal.signal(number, lambda *_: None)

    def wait(self, timeout: float | None = None) -> str | None:
        """The name of the next signal; None after `timeout` seconds without one."""
        readable, _, _ = select.select([self._reader], [], [], timeout)
        return signal.Signals(os.read(self._reader, 1)[0]).name if readable else None

    def pending(self) -> bool:
        """Whether there is a signal that nobody has waited for yet."""
        return bool(select.select([self._reader], [], [], 0)[0])
