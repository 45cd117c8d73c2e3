"""waitress's side of a client's connection: errors in the API's schema, and the handover of connections."""

from __future__ import annotations

import secrets
from typing import Any

from waitress.task import ErrorTask, WSGITask

from api.http.connection_handover import ENVIRON_KEY, Handed, Taker
from api.http.problems import error_json
from clipping.errors import (
    ClippingError,
    HeadersTooLarge,
    InvalidRequest,
    PayloadTooLarge,
    Unauthorized,
    UnknownTransfer,
)
from clipping.http import channel
from clipping.http.parser import Refused
from clipping.http.security import SECURITY
from clipping.log import get_logger

_CODES = {error.status: error.code for error in (PayloadTooLarge, HeadersTooLarge, UnknownTransfer)}
_CODES[500] = ClippingError.code

log = get_logger(__name__)


class _Task(WSGITask):  # type: ignore[misc]
    """Answers one request. After a handover, the receiver sends the body."""

    wrote_header: bool
    has_body: bool
    _taker: Taker | None = None

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[ENVIRON_KEY] = self._take_over
        return environ

    def finish(self) -> None:
        if self._taker is None or self.wrote_header:
            super().finish()
            return
        # Without a length, waitress would close the connection afterwards; the channel hands it over instead.
        head = self.build_response_header()
        self.wrote_header = True
        self.set_close_on_finish()
        self.channel.hand_over(self._taker, head, chunked=self.chunked_response)

    def set_close_on_finish(self) -> None:
        # waitress closes the connection after each response without a length. A 304 has none and needs none,
        # and a client that polls would connect again each time.
        if self.version == "1.1" and not self.has_body and not self._close_requested():
            return
        super().set_close_on_finish()

    def _close_requested(self) -> bool:
        return bool(self.request.headers.get("CONNECTION", "").lower() == "close")

    def _take_over(self, taker: Taker) -> None:
        self._taker = taker


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """waitress's own errors (an invalid request line, oversized headers or body) in the API's schema."""

    def execute(self) -> None:
        error = self.request.error
        self.status = f"{error.code} {error.reason}"
        body = self._body(error)
        self.response_headers.append(("Content-Type", "application/json"))
        # The app was not called, so the headers that it adds to every response are added here.
        self.response_headers += [*SECURITY.items(), ("Cache-Control", "no-store")]
        request_id = secrets.token_hex(8)
        self.response_headers.append(("X-Request-Id", request_id))
        log.info("http.refused", id=request_id, status=error.code, reason=error.body)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)

    def _body(self, error: Any) -> bytes:
        if not isinstance(error, Refused):
            return error_json(_CODES.get(error.code, InvalidRequest.code), f"{error.reason}: {error.body}")
        if isinstance(error.error, Unauthorized):
            self.response_headers.append(("WWW-Authenticate", "Bearer"))
        if error.error.retry_after is not None:
            self.response_headers.append(("Retry-After", str(error.error.retry_after)))
        return error_json(error.error.code, error.error.message)


class Channel(channel.Channel):
    """One client's connection while it belongs to waitress."""

    task_class = _Task
    error_task_class = _ErrorTask

    _taker: Taker | None = None
    _head = b""
    _chunked = False

    def hand_over(self, taker: Taker, head: bytes, *, chunked: bool) -> None:
        """Instead of closing the connection, once everything before it is sent. For the task's thread."""
        self._taker, self._head, self._chunked = taker, head, chunked

    def abort(self) -> None:
        self._taker = None
        super().abort()

    def handle_close(self) -> None:
        taker, self._taker = self._taker, None
        if taker is None:
            super().handle_close()
            return
        # The loop closes its own descriptor; the duplicate keeps the connection open.
        connection = self.socket.dup()
        super().handle_close()
        taker(Handed(connection, self._head, self._chunked))
