"""Reading requests: what costs more than its length is refused as soon as that shows."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest, Error

from clipping.errors import PayloadTooLarge, RequestError
from clipping.http.body import StreamedBody

MAX_LINE_BYTES = 4096
"""Of a chunk's size line, and of the trailer. Checked for each piece: one may be a piece longer."""
MAX_FRAMING_BYTES = 16_384
"""How much larger than its content a chunked body may be on top of twice its content. A body in chunks of one
byte costs a thousand times the work of the same body in one piece."""
_PIECE_BYTES = 4096
"""waitress copies what is left of its input for each chunk; in small pieces that stays cheap."""
_TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)


class Refused(Error):  # type: ignore[misc]
    """One of our errors in the place of one of waitress's."""

    def __init__(self, error: RequestError) -> None:
        super().__init__(error.message)
        self.error = error
        self.code = error.status
        self.reason = HTTPStatus(error.status).phrase


class RequestParser(HTTPRequestParser):  # type: ignore[misc]
    """One request. `check_head` sees it as soon as its headers are complete, and may refuse it."""

    error: Any
    headers: dict[str, str]
    """By upper-case name, with underscores."""
    command: str
    path: str
    chunked: bool
    content_length: int
    completed: bool
    headers_finished: bool
    body_rcv: Any
    body_bytes_received: int

    def __init__(
        self,
        adj: Any,
        check_head: HeadCheck,
        *,
        connection: socket.socket | None = None,
        streams: StreamCheck = lambda _method, _path: False,
    ) -> None:
        """`streams`: whether the app reads such a request's body from the `connection`."""
        super().__init__(adj)
        self.body: StreamedBody | None = None
        """The body that the app reads, of a request that is complete with its headers."""
        self._connection, self._streams = connection, streams
        self.max_body_bytes: int = adj.max_request_body_size
        """`check_head` may lower it. With the framing, where the body is chunked."""
        self._check_head = check_head
        self._surplus = b""

    def received(self, data: bytes) -> int:
        """As waitress's, but it keeps what follows the request, for `take_surplus`."""
        in_head = not self.headers_finished
        consumed: int = super().received(data)
        if in_head and self.headers_finished and self.error is None:
            self._refuse(self._check_head(self))
        elif self.body_bytes_received > self.max_body_bytes and self.error is None:
            self._refuse(PayloadTooLarge(f"the body must be at most {self.max_body_bytes} bytes long"))
        if self.error is not None:
            self.expect_continue = False  # waitress would ask for the body all the same
            return len(data)
        if self.completed:
            self._surplus = data[consumed:]
            if self.body is not None:
                self._surplus = self.body.begin(self._surplus)
                # waitress would answer this before the app is asked.
                self.body.expects_continue, self.expect_continue = self.expect_continue, False
            return len(data)
        return consumed

    @property
    def announced_bytes(self) -> int:
        """How large the body will be, at most."""
        return self.max_body_bytes if self.chunked else self.content_length

    def get_body_stream(self) -> Any:
        return super().get_body_stream() if self.body is None else self.body

    def take_surplus(self) -> bytes:
        """What came after the end of this request."""
        surplus, self._surplus = self._surplus, b""
        return surplus

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        encodings = _TRANSFER_ENCODING.findall(header_plus)
        if not encodings:
            if self._connection is not None and self._streams(self.command, self.path):
                self.body = StreamedBody(self._connection, self.content_length)
                self.content_length, self.body_rcv = 0, None
                # The rest of a body that the app refuses must not be taken for the next request.
                self.headers["CONNECTION"] = "close"
            return
        # Proxies differ in what they make of these, and one connection would carry other requests for them
        # than for us (RFC 9112, section 6.3).
        if self.version != "1.1":
            raise ParsingError("Transfer-Encoding needs HTTP/1.1")
        if "CONTENT_LENGTH" in self.headers:
            raise ParsingError("send Content-Length or Transfer-Encoding, not both")
        if [each.lower() for each in encodings] != [b"chunked"]:
            raise ParsingError("Transfer-Encoding must be chunked, once")
        self.body_rcv = _ChunkedReceiver(self.body_rcv.getbuf())

    def _refuse(self, error: RequestError | None) -> None:
        if error is not None:
            self.error, self.completed = Refused(error), True


StreamCheck = Callable[[str, str], bool]
"""Decides by the method and the path."""
HeadCheck = Callable[[RequestParser], RequestError | None]
"""The error that refuses a request whose headers are complete, or None. Runs on the server's loop: it must
not wait for anything."""


class _ChunkedReceiver(ChunkedReceiver):  # type: ignore[misc]
    """A chunked body whose framing is bounded."""

    error: Any
    _bytes = 0

    def received(self, data: bytes) -> int:
        taken = 0
        while taken < len(data) and not self.completed and self.error is None:
            piece = data[taken : taken + _PIECE_BYTES]
            consumed: int = super().received(piece)
            taken += consumed
            self._bytes += consumed
            self._check()
        return taken

    def _check(self) -> None:
        if self.error is not None:
            return
        if len(self.control_line) > MAX_LINE_BYTES:
            self.error = BadRequest("a chunk's size line is too long")
        elif len(self.trailer) > MAX_LINE_BYTES:
            self.error = BadRequest("the trailer is too long")
        elif self._bytes > 2 * len(self) + MAX_FRAMING_BYTES:
            self.error = BadRequest("the chunks are too small: send larger ones, or Content-Length")
