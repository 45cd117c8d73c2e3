"""Waiting, at a start, for what a process that is still exiting has not let go of yet."""

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
from clipping.holders import Holder, named, of_file, of_port
from clipping.signals import Stopped

SECONDS = 10.0
"""A killed process is gone within a second or two, also one that has gigabytes to give back."""
_LOOK_SECONDS = 0.05

Taken = TypeVar("Taken")


class StillInUse(ClippingError):
    """It was not let go of in time. `holders` is as of the end of the wait."""

    code = "STILL_IN_USE"

    def __init__(self, what: str, holders: Sequence[Holder]) -> None:
        self.holders = named(holders)
        super().__init__(f"{what} is in use by {self.holders}: stop that first")


@dataclass(frozen=True)
class Patience:
    """How long to wait, whom to tell that there is a wait, in one sentence, and whether to give up."""

    told: Callable[[str], None]
    seconds: float = SECONDS
    stopped: Callable[[], bool] = lambda: False


IMPATIENT = Patience(told=lambda sentence: None, seconds=0.0)


def wait_for(
    attempt: Callable[[], Taken | None],
    what: str,
    holders: Callable[[], Sequence[Holder]],
    patience: Patience,
) -> Taken:
    """What `attempt` returns, as soon as that is not None. Raises `StillInUse` and `Stopped`."""
    give_up = time.monotonic() + patience.seconds
    told = False
    while (taken := attempt()) is None:
        if time.monotonic() >= give_up:
            raise StillInUse(what, holders())
        if not told:
            told = True
            patience.told(
                f"{what} is in use by {named(holders())}: waiting up to {patience.seconds:g} s for its exit"
            )
        if patience.stopped():
            raise Stopped
        time.sleep(_LOOK_SECONDS)
    return taken


def lock_file(path: Path, what: str, patience: Patience = IMPATIENT) -> int:
    """The descriptor of the locked file; the lock is held until it is closed, here and in every process that
    inherits it. Raises `StillInUse`, `Stopped`, and `OSError` when there can be no such file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def attempt() -> int | None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return descriptor

    try:
        return wait_for(attempt, what, lambda: of_file(path), patience)
    except BaseException:
        os.close(descriptor)
        raise


def wait_for_port(host: str, port: int, patience: Patience) -> None:
    """Return once the address can be bound, or when it can't be for another reason than that it is in use.

    Raises `StillInUse` and `Stopped`.
    """
    if port:
        wait_for(lambda: _can_be_bound(host, port), f"port {port}", lambda: of_port(port), patience)


def _can_be_bound(host: str, port: int) -> bool | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return None if error.errno == errno.EADDRINUSE else True
    return True
