"""Waits at startup for a lock or a port that an exiting process has not released yet."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clipping.errors import ClippingError
from clipping.processes import Process, describe, listening_on, with_open_file
from clipping.signals import Stopped

SECONDS = 10.0
"""A killed process exits within a second or two, even when it has gigabytes of memory to free."""
_POLL_SECONDS = 0.05

Taken = TypeVar("Taken")


class StillInUse(ClippingError):
    """The resource was not released in time. `processes` describes those that use it at the end of the
    wait."""

    code = "STILL_IN_USE"

    def __init__(self, what: str, processes: Sequence[Process]) -> None:
        self.processes = describe(processes)
        super().__init__(f"{what} is in use by {self.processes}: stop that first")


@dataclass(frozen=True)
class Patience:
    """How long to wait, a callback that reports the wait in one sentence, and whether to give up."""

    notify: Callable[[str], None]
    seconds: float = SECONDS
    stopped: Callable[[], bool] = lambda: False


IMPATIENT = Patience(notify=lambda sentence: None, seconds=0.0)


def wait_for(
    attempt: Callable[[], Taken | None],
    what: str,
    processes: Callable[[], Sequence[Process]],
    patience: Patience,
) -> Taken:
    """Call `attempt` until it does not return None, and return its result.

    `processes` lists the processes that use the resource. Raises `StillInUse` and `Stopped`.
    """
    give_up = time.monotonic() + patience.seconds
    notified = False
    while (taken := attempt()) is None:
        if time.monotonic() >= give_up:
            raise StillInUse(what, processes())
        if not notified:
            notified = True
            users = describe(processes())
            patience.notify(f"{what} is in use by {users}: waiting up to {patience.seconds:g} s for its exit")
        if patience.stopped():
            raise Stopped
        time.sleep(_POLL_SECONDS)
    return taken


def lock_file(path: Path, what: str, patience: Patience = IMPATIENT) -> int:
    """Lock the file and return its descriptor.

    The lock is held until the descriptor is closed, here and in every process that inherits it. Raises
    `StillInUse`, `Stopped`, and `OSError` when the file can't be created.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def attempt() -> int | None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return descriptor

    try:
        return wait_for(attempt, what, lambda: with_open_file(path), patience)
    except BaseException:
        os.close(descriptor)
        raise


def wait_for_port(host: str, port: int, patience: Patience) -> None:
    """Return once the address can be bound, or binding fails for another reason than that it is in use.

    Raises `StillInUse` and `Stopped`.
    """
    if port:
        wait_for(lambda: _can_be_bound(host, port), f"port {port}", lambda: listening_on(port), patience)


def _can_be_bound(host: str, port: int) -> bool | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return None if error.errno == errno.EADDRINUSE else True
    return True
