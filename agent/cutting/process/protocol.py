"""The messages between the daemon, the fork server and a job's process: pickled, one datagram each.

The sockets are SOCK_SEQPACKET: a message arrives whole or not at all, also from a process that is killed.
"""

from __future__ import annotations

import pickle
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cutting.process.interruption import Reason
from clipping.contract.choices import Stage

if TYPE_CHECKING:  # the fork server is started before pydantic is loaded
    from clipping.contract.checkpoint import Checkpoint

MAX_DESCRIPTORS = 4
"""With one message."""
MAX_MESSAGE = 128 << 10
"""Bytes; below the kernel's default limit of a datagram."""


@dataclass(frozen=True)
class Run:
    """To the server: call `function(context, *descriptors, *arguments)` in a new process. `function` is
    `module:name`, so that the daemon need not import what the job runs.

    The job's socket and the descriptors come beside it (SCM_RIGHTS), in this order.
    """

    job: int
    function: str
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Signal:
    """To the server: send a signal to a job's whole process group, if it is still there."""

    job: int
    number: int


@dataclass(frozen=True)
class Interrupt:
    """To the job, on its socket: stop, and why."""

    reason: Reason


@dataclass(frozen=True)
class WindDown:
    """To the job, on its socket: it is going to be given back."""

    until: float | None
    """On `time.monotonic`, which is the same in all processes of a machine. None: not any more."""


@dataclass(frozen=True)
class Ready:
    """From the server, once."""


@dataclass(frozen=True)
class Started:
    """From the server, on the job's socket."""

    pid: int


@dataclass(frozen=True)
class Exited:
    """From the server, on the job's socket, as the last message: how the process ended."""

    code: int
    """The exit status, or minus the signal's number."""


@dataclass(frozen=True)
class Progress:
    """From the job. `percent` is of the whole job and never falls."""

    stage: Stage
    percent: float


@dataclass(frozen=True)
class Kept:
    """From the job: what of the clip is finished and kept."""

    checkpoint: Checkpoint


@dataclass(frozen=True)
class Written:
    """From the job: the clip's file is complete, and is verified next. It may still be rejected, and another
    one written."""

    path: Path


@dataclass(frozen=True)
class Helper:
    """From the job: the process that now works for it (an ffmpeg); None when it has ended."""

    pid: int | None


@dataclass(frozen=True)
class Done:
    """From the job: its result."""

    value: object


@dataclass(frozen=True)
class Failed:
    """From the job: the exception that ended it."""

    error: Exception


def send(channel: socket.socket, message: object, fds: tuple[int, ...] = (), flags: int = 0) -> None:
    """One message. Raises `OSError` when the other side is gone."""
    data = pickle.dumps(message)
    if fds:
        socket.send_fds(channel, [data], list(fds), flags)
    else:
        channel.send(data, flags)


def receive(channel: socket.socket) -> object:
    """The next message; None when the other side is gone."""
    try:
        data = channel.recv(MAX_MESSAGE)
    except (ConnectionResetError, BrokenPipeError):
        return None
    message: object = pickle.loads(data) if data else None
    return message
