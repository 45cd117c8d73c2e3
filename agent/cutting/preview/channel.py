"""The calls to a worker and its answers, over a stream socket: pickled, each behind its length.

The socket of a job carries single datagrams, in which a window would not fit.
"""

from __future__ import annotations

import pickle
import socket
import time
from dataclasses import dataclass

_LENGTH = 8
_MOST_BYTES = 256 << 20
_PIECE = 1 << 20


@dataclass(frozen=True)
class Call:
    """To the worker: call the function `name` with these arguments."""

    name: str
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Answer:
    """From the worker: the function's result, or what it raised."""

    value: object = None
    error: Exception | None = None


def send(channel: socket.socket, message: Call | Answer) -> None:
    """Raises `OSError` when the other side is gone, and `TimeoutError`."""
    data = pickle.dumps(message)
    channel.sendall(len(data).to_bytes(_LENGTH, "big") + data)


def receive(channel: socket.socket, deadline: float | None = None) -> object:
    """The next message; None when the other side is gone. Raises `TimeoutError`.

    `deadline`: on `time.monotonic`.
    """
    header = _exactly(channel, _LENGTH, deadline)
    if header is None:
        return None
    size = int.from_bytes(header, "big")
    if size > _MOST_BYTES:
        return None  # the other side is broken
    data = _exactly(channel, size, deadline)
    message: object = None if data is None else pickle.loads(data)
    return message


def _exactly(channel: socket.socket, size: int, deadline: float | None) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
        try:
            piece = channel.recv(min(_PIECE, size - len(found)))
        except (ConnectionResetError, BrokenPipeError):
            return None
        if not piece:
            return None
        found += piece
    return bytes(found)
