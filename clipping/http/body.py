"""Request bodies that the app reads from the connection itself, as they arrive."""

from __future__ import annotations

import select
import socket
import time

STALL_SECONDS, STALL_BYTES = 30.0, 256 << 10
"""A client for which the app has waited so long must have sent so much meanwhile: each one that is received
has a thread, of which there are few."""
_MOST_BYTES = 1 << 20
"""Read at once: that much memory is taken for it beforehand."""


class StreamedBody:
    """The body of one request, for the thread that answers it. The server's loop does not read meanwhile."""

    def __init__(self, connection: socket.socket, size: int) -> None:
        self._connection = connection
        self._left = size
        self._ahead = b""
        self._waited, self._came = 0.0, 0
        """Seconds and bytes since the client last kept up."""
        self.expects_continue = False
        """Whether the client waits for a word of the server before it sends."""

    def begin(self, data: bytes) -> bytes:
        """Take what came with the headers. Returns what is not of the body."""
        self._ahead, rest = data[: self._left], data[self._left :]
        return rest

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, at least one; none at the end, and where the client breaks off or stalls."""
        size = min(self._left if size < 0 else size, self._left, _MOST_BYTES)
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
            if not self._arrives():
                return b""
            data = self._connection.recv(size)
        except (OSError, ValueError):  # closed by the client, or by a stop of the server
            return b""
        self._came += len(data)
        if self._came >= STALL_BYTES:
            self._waited, self._came = 0.0, 0
        return data

    def _arrives(self) -> bool:
        """Whether more arrives in the time that is left for it."""
        waiting = select.poll()
        waiting.register(self._connection, select.POLLIN)
        begun = time.monotonic()
        arrived = waiting.poll(max(0.0, STALL_SECONDS - self._waited) * 1000)
        self._waited += time.monotonic() - begun
        return bool(arrived) and self._waited <= STALL_SECONDS
