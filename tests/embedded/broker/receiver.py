"""An HTTP endpoint for push subscriptions: records requests and returns configured statuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.embedded.broker.bus import PATIENCE_SECONDS


@dataclass(frozen=True)
class Push:
    """A push request."""

    headers: dict[str, str]
    body: dict[str, Any]


class Receiver:
    """Returns the given statuses, one per request; the last one repeats."""

    def __init__(self, statuses: Iterable[int] = (204,)) -> None:
        self.pushes: list[Push] = []
        self._statuses = list(statuses)
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(receiver.take(Push(dict(self.headers), body)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/push?token=1"
        self._thread = threading.Thread(target=self._server.serve_forever, name="push-receiver")
        self._thread.start()

    def take(self, push: Push) -> int:
        """Record a request. Returns the status of its response."""
        with self._changed:
            self.pushes.append(push)
            self._changed.notify_all()
            return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def wait(self, count: int) -> list[Push]:
        """Wait until `count` requests have arrived. Fails on a timeout."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.pushes) >= count, PATIENCE_SECONDS)
            assert arrived, f"{len(self.pushes)} of {count} pushes"
            return list(self.pushes)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
