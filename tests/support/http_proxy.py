"""An HTTP proxy that can answer in a server's place, as a server of another make would."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

SECONDS = 60.0


@dataclass(frozen=True)
class Exchange:
    """A request, and the server's answer to it once there is one (else status 0)."""

    method: str
    path: str
    headers: http.client.HTTPMessage
    status: int = 0
    body: bytes = b""
    """The request's. Shorter than its `Content-Length` if the client broke off."""


@dataclass(frozen=True)
class Instead:
    """An answer to give instead. Without a status the connection is reset."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Rule = Callable[[Exchange], Instead | None]
RESET = Instead(0)


def s3_error(status: int, code: str) -> Instead:
    """An error as S3 sends it."""
    return Instead(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


class EveryTenth:
    """Fails every tenth request of each method through a proxy. In turn, the connection is reset after the
    server has done what was asked, the request is answered 503 or 500, or the connection is reset at once."""

    def __init__(self, proxy: HttpProxy) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._afterwards: set[int] = set()
        self.failed: Counter[tuple[str, str]] = Counter()
        """How many requests failed, by their method and how."""
        proxy.before, proxy.after = self._before, self._after

    def _before(self, exchange: Exchange) -> Instead | None:
        with self._lock:
            self._counts[exchange.method] += 1
            turn, rest = divmod(self._counts[exchange.method], 10)
            if rest:
                return None
            kind = tuple(_FAULTS)[(turn - 1) % len(_FAULTS)]
            self.failed[exchange.method, kind] += 1
            if kind.endswith("afterwards"):
                self._afterwards.add(id(exchange.headers))
                return None
        return _FAULTS[kind]

    def _after(self, exchange: Exchange) -> Instead | None:
        with self._lock:
            if id(exchange.headers) not in self._afterwards:
                return None
            self._afterwards.remove(id(exchange.headers))
        return RESET


_FAULTS = {
    "reset afterwards": RESET,
    "503": s3_error(503, "SlowDown"),
    "500": s3_error(500, "InternalError"),
    "reset": RESET,
}


class HttpProxy:
    """Forwards to `target` ("host:port") what no rule answers. `before` sees a request, and `after` one with
    the server's answer. The `Host` header stays, so that signatures hold. A context manager."""

    def __init__(self, target: str) -> None:
        self.before: Rule = lambda exchange: None
        self.after: Rule = lambda exchange: None
        self.seen: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.seen.append(f"{self.command} {self.path}")
                instead = proxy.before(Exchange(self.command, self.path, self.headers, body=body))
                if instead is None:
                    instead = self._forwarded(body)
                if instead.status == 0:
                    self._reset()
                    return
                self.send_response_only(instead.status)
                for name, value in instead.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in instead.headers:
                    self.send_header("Content-Length", str(len(instead.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(instead.body)

            def _reset(self) -> None:
                self.close_connection = True
                # Closing then sends RST.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())

            def _forwarded(self, body: bytes) -> Instead:
                connection = http.client.HTTPConnection(target, timeout=SECONDS)
                try:
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        if name.lower() not in ("expect", "connection"):
                            connection.putheader(name, value)
                    connection.endheaders(body)
                    answer = connection.getresponse()
                    content = answer.read()
                    exchange = Exchange(self.command, self.path, self.headers, answer.status)
                    return proxy.after(exchange) or Instead(answer.status, content, dict(answer.getheaders()))
                finally:
                    connection.close()

        for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler._pass)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="http-proxy", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
