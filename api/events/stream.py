"""One client's open connection. Used by the hub's thread only; never blocks."""

from __future__ import annotations

import random
import socket

MAX_PENDING_BYTES = 65_536
"""The limit of unsent bytes for a client, beyond the system's buffer. Above it the client is disconnected:
after a reconnect it receives the newest state, without the intermediate ones."""
SILENT_SECONDS = 30
"""A client that acknowledges nothing for this long is treated as disconnected."""
LINGER_SECONDS = 5.0
"""How long a finished stream waits for the client to read the rest and to close."""
_RECONNECT_SECONDS = (1.0, 3.0)
"""When disconnected clients should reconnect, spread over time after a restart."""


class Stream:
    """Writes events to one client without blocking."""

    def __init__(
        self,
        connection: socket.socket,
        head: bytes,
        *,
        chunked: bool,
        now: float,
        most_pending: int = MAX_PENDING_BYTES,
    ) -> None:
        """`head` is the HTTP header. `chunked`: the body is framed in chunks, else it ends with the
        connection. `now` is monotonic seconds, here and below. `most_pending`: the limit of unsent bytes."""
        connection.setblocking(False)
        if hasattr(socket, "TCP_USER_TIMEOUT") and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000)
        self.connection = connection
        self.opened_at = self.written_at = now
        self.close_by: float | None = None
        """The deadline for closing it; None while it is open."""
        self._chunked = chunked
        self._most_pending = most_pending
        self._pending = bytearray(head)
        least, most = _RECONNECT_SECONDS
        self.write(b"retry: %d\n\n" % random.randint(int(least * 1000), int(most * 1000)), now)

    @property
    def pending(self) -> bool:
        """Whether unsent data is pending."""
        return bool(self._pending)

    def write(self, data: bytes, now: float) -> bool:
        """Send, or buffer until `flush`. False when the client is disconnected or does not read."""
        if not data or self.close_by is not None:
            return True
        self.written_at = now
        self._pending += b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
        return self.flush() and len(self._pending) <= self._most_pending

    def flush(self) -> bool:
        """Send as much of the buffer as possible. False when the client is disconnected."""
        try:
            while self._pending:
                del self._pending[: self.connection.send(self._pending)]
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.close_by is not None:
            return self._shut()
        return True

    def end(self, now: float) -> bool:
        """End the events. The connection stays until the client has read everything; False when it is
        closed."""
        if self.close_by is not None:
            return True
        self.close_by = now + LINGER_SECONDS
        if self._chunked:
            self._pending += b"0\r\n\r\n"
        return self.flush()

    def drain_input(self) -> bool:
        """Discard what the client sends. False when it has closed the connection."""
        try:
            return bool(self.connection.recv(4096))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Close the connection and discard the buffer."""
        self.connection.close()

    def _shut(self) -> bool:
        # Closing at once could discard data that the client has not received yet.
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True
