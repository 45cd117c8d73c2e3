"""One client's connection: one request at a time, and times by which the server can judge it."""

from __future__ import annotations

import socket
import time
from typing import Any

from waitress.channel import HTTPChannel

from clipping.http.limits import Connection, Phase, network_of
from clipping.http.parser import RequestParser

ARRIVAL_SECONDS = 1.0
"""How long a server that stops waits for a request of which a part, or only the connection, has arrived."""
MAX_DISCARDED_BYTES = 16 << 20
"""How much a refused client may go on sending. Discarding it costs no memory and hardly any time."""


class Channel(HTTPChannel):  # type: ignore[misc]
    """Everything here runs on the server's loop, except `service`.

    waitress reads all requests that one read brings, and blocks a thread while their answers wait for the
    client. This one keeps later requests back until the answer before them is sent.
    """

    request: Any
    requests: list[Any]
    total_outbufs_len: int

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:
        super().__init__(server, sock, addr, adj, map=map)
        self.network = network_of(str(addr[0]))
        self.reserved: bool = server.crowded
        """Accepted while there was room for health checks only."""
        self.body_bytes = 0
        """How large the newest request's body was announced to be, if that is worth counting."""
        self._parser: RequestParser | None = None
        self._ahead = b""
        self._moved_at = self._began_at = time.monotonic()
        self._asked = self._refused = False
        self._lingers_since: float | None = None
        self._discarded = 0

    def state(self) -> Connection:
        """What the connection is doing now."""
        phase, since = self._phase()
        return Connection(id(self), self.network, phase, since)

    @property
    def holds_body(self) -> bool:
        """Whether a request is received or answered."""
        return bool(self.requests) or self.request is not None

    @property
    def streams(self) -> bool:
        """Whether the app reads a request's body from this connection."""
        return any(request.body is not None for request in self.requests)

    def expects(self, now: float) -> bool:
        """Whether a request is arriving, or the first one may be: its client would see no answer."""
        arriving = self.request is not None or not self._asked
        return arriving and now - self._began_at < ARRIVAL_SECONDS

    def abort(self) -> None:
        """Close it now, whatever it is doing."""
        self.handle_close()

    def parser_class(self, adj: Any) -> RequestParser:
        """waitress makes its parsers by this name."""
        self._parser = RequestParser(
            adj,
            lambda head: self.server.check(self, head),
            connection=self.socket,
            streams=self.server.streams,
        )
        return self._parser

    def received(self, data: bytes) -> bool:
        self._moved_at = time.monotonic()
        self._asked = True
        if self._lingers_since is not None:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED_BYTES:
                self.handle_close()
            return False
        if self.request is None:
            self._began_at = self._moved_at
        while data:
            super().received(data)
            parser = self._parser
            data = parser.take_surplus() if parser is not None else b""
            # A client whose body the app did not read to its end has to be able to read the answer, too.
            self._refused = self._refused or (
                parser is not None and (parser.error is not None or parser.body is not None)
            )
            if self.requests:
                break
        self._ahead = data
        return True

    def readable(self) -> bool:
        if self._ahead and super().readable():
            data, self._ahead = self._ahead, b""
            self.received(data)
        return not self._ahead and bool(super().readable())

    def handle_write(self) -> None:
        if not self._refused or not self.close_when_flushed or self.will_close:
            super().handle_write()
            return
        if self.total_outbufs_len:
            self._flush_exception(self._flush_some)
        if self.connected and not self.total_outbufs_len and not self.will_close:
            self._linger()

    def add_channel(self, map: Any = None) -> None:
        super().add_channel(map)
        self.server.poller.add(self)

    def del_channel(self, map: Any = None) -> None:
        if self._fileno is not None:
            self.server.poller.remove(self._fileno)
        super().del_channel(map)

    def handle_close(self) -> None:
        super().handle_close()
        if self.request is not None:
            self.request.close()  # a part of a large body may be in a temporary file
        # The parser refers to this channel: without this, only the garbage collector would free the two.
        self._parser = self.request = None

    def service(self) -> None:
        """Answer a request. Runs on a thread of the dispatcher."""
        super().service()
        self._moved_at = time.monotonic()

    def _flush_some(self, do_close: bool = True) -> bool:
        if not super()._flush_some(do_close):
            return False
        self._moved_at = time.monotonic()
        return True

    def _linger(self) -> None:
        """Close our side only. Closing both while the client still sends would make its system throw the
        answer away, and the client would see a reset instead of the reason."""
        self.close_when_flushed = False
        self._lingers_since = time.monotonic()
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()

    def _phase(self) -> tuple[Phase, float]:
        if self._lingers_since is not None:
            return Phase.LINGERING, self._lingers_since
        if self.total_outbufs_len:
            return Phase.UNREAD, self._moved_at
        if self.requests or self._ahead or self.will_close or self.close_when_flushed:
            return Phase.BUSY, self._moved_at
        if self.request is None:
            return Phase.IDLE, self._moved_at
        return (Phase.BODY if self.request.headers_finished else Phase.HEAD), self._began_at
