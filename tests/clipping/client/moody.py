"""An HTTP server that answers what a test has laid out, one answer for each call: a service on a bad day."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Answer:
    """What a call gets. `cut`: the connection is cut without an answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True)
class Call:
    """What came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Moody:
    """Serves on a free loopback port; further calls get the last answer again. `with` ends it."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        moody = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                moody._serve(self)

            do_POST = do_GET  # noqa: N815 - the library looks for this name

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="moody", daemon=True)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            self.calls.append(Call(handler.command, handler.path, dict(handler.headers), body))
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer.cut:
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.body)
        handler.close_connection = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)
