"""Request bodies that the app reads from the connection itself, as they arrive."""

from __future__ import annotations

import select
import socket

STALL_SECONDS = 30.0
"""How long a client may send nothing."""


class StreamedBody:
    """The body of one request, for the thread that answers it. The server's loop does not read meanwhile."""

    def __init__(self, connection: socket.socket, size: int) -> None:
        self._connection = connection
        self._left = size
        self._ahead = b""
        self.expects_continue = False
        """Whether the client waits for a word of the server before it sends."""

    def begin(self, data: bytes) -> bytes:
        """Take what came with the headers. Returns what is not of the body."""
        self._ahead, rest = data[: self._left], data[self._left :]
        return rest

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, at least one; none at the end, and where the client breaks off or stalls."""
        size = self._left if size < 0 else min(size, self._left)
        if not size:
            return b""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = self._received(size)
        self._left = self._left - len(data) if data else 0
        return data

    def _received(self, size: int) -> bytes:
        try:
            if self.expects_continue:
                self.expects_continue = False
                self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            waiting = select.poll()
            waiting.register(self._connection, select.POLLIN)
            if not waiting.poll(STALL_SECONDS * 1000):
                return b""
            return self._connection.recv(size)
        except (OSError, ValueError):  # closed by the client, or by a stop of the server
            return b""
