"""The agent's HTTP: `/health`, `/health/live`, `/health/ready`, `/health/active`, `/metrics`, and mounts.

Serves the newest snapshot, and applications with threads of their own. The cost of callers is bounded:
threads, connections and timeouts (`clipping.http`), and responses per second (`health.page.limits`). Only the
bearer of a token sees paths.
"""

from __future__ import annotations

import errno
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, redirect, request
from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.exceptions import HTTPException

from clipping.clock import Clock, rfc3339
from clipping.errors import ClippingError, ConfigurationError, MethodNotAllowed, NotFound, RateLimited
from clipping.http.limits import Limits
from clipping.http.server import Server, listen
from health.page.limits import CallLimits
from health.page.metrics import REFUSED, text
from health.page.snapshot import Snapshot

THREADS = 2
LIMITS = Limits(
    connections=200, reserve=200, head_seconds=10, request_seconds=10, idle_seconds=10, unread_seconds=10
)
HEALTH_PATHS = ("/health", "/health/live", "/health/ready", "/health/active")
MAX_HEADER_BYTES, MAX_BODY_BYTES = 8192, 1024
LOOP_SECONDS = 0.2
REFUSAL_PAUSE_SECONDS = 0.02
"""How long each iteration pauses while calls are refused: a flood waits in the kernel, not here."""
THREAD_END_SECONDS = 2.0


class AddressMissing(ClippingError):
    """This machine has no such address, or not yet: at boot it may appear after the agent has started."""

    code = "ADDRESS_MISSING"


def _is_unknown(_: dict[str, Any]) -> bool:
    return False


@dataclass(frozen=True)
class Mount:
    """Another WSGI application on the page's port. It never delays the page."""

    prefix: str
    """What its paths begin with."""
    app: Callable[[dict[str, Any], Any], Iterable[bytes]]
    threads: int
    """Its own."""
    admits: Callable[[dict[str, Any]], bool] = _is_unknown
    """Whether a call (its WSGI environment) is of a known caller. For others the rate limits hold."""
    limits: CallLimits | None = None
    """Of its own. None: those of the page."""
    max_body_bytes: int = MAX_BODY_BYTES
    page: str | None = None
    """The path to which browsers that open the root are redirected."""


class HealthServer:
    """Owns the thread `health-http` and those of waitress. `latest` must not block. Raises
    `ConfigurationError`, and `AddressMissing`, after which a later start may succeed."""

    def __init__(
        self,
        host: str,
        port: int,
        latest: Callable[[], Snapshot],
        clock: Clock,
        *,
        token: str | None = None,
        limits: Limits = LIMITS,
        mounts: Sequence[Mount] = (),
    ) -> None:
        """`token` lets its bearer see paths; None: paths are always hidden."""
        self._stop = threading.Event()
        self._clock, self._beat = clock, clock.monotonic()
        app = _app(latest, clock, token, page=next((each.page for each in mounts if each.page), None))
        self._gate = _Gate(app, clock, mounts)
        self._server = Server(
            self._gate,
            _listen(host, port),
            threads=THREADS,
            limits=limits,
            health_paths=HEALTH_PATHS,
            pools={mount.prefix: mount.threads for mount in mounts},
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=max([MAX_BODY_BYTES, *(mount.max_body_bytes for mount in mounts)]),
        )
        self.port: int = self._server.effective_port
        self._thread = threading.Thread(target=self._run, name="health-http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def heartbeat_age(self) -> float:
        """Seconds since the last iteration of its loop."""
        return self._clock.monotonic() - self._beat

    def close(self) -> None:
        self._stop.set()
        self._thread.join(LOOP_SECONDS + THREAD_END_SECONDS)

    def _run(self) -> None:
        refused = 0
        while not self._stop.is_set():
            self._beat = self._clock.monotonic()
            self._server.turn(LOOP_SECONDS)
            if self._gate.refused != refused:
                refused = self._gate.refused
                self._stop.wait(REFUSAL_PAUSE_SECONDS)
        # On this thread: closing the sockets of a running loop would be a race.
        self._server.shut_down(THREAD_END_SECONDS)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise AddressMissing(f"health.host: this machine does not have the address {host}") from None
        raise ConfigurationError(
            [f"health.port: {host}:{port} can't be listened on: {error.strerror}"]
        ) from None


class _Gate:
    """In front of the application: refuses calls beyond the limits at minimal cost."""

    def __init__(self, app: Flask, clock: Clock, mounts: Sequence[Mount]) -> None:
        self._app, self._clock, self._mounts = app, clock, mounts
        self._limits = CallLimits()
        self.refused = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO"))
        mount = next((each for each in self._mounts if path.startswith(each.prefix)), None)
        known = mount is not None and mount.admits(environ)
        limits = self._limits if mount is None or mount.limits is None else mount.limits
        if known or limits.allows(str(environ.get("REMOTE_ADDR")), self._clock.monotonic()):
            return (self._app if mount is None else mount.app)(environ, start_response)
        self.refused += 1
        REFUSED.inc()
        headers = [("Content-Type", "application/json"), ("Retry-After", "1")]
        start_response("429 Too Many Requests", headers)
        return [_error(RateLimited.code, "too many calls: try again in 1 s", self._clock)]


def _error(code: str, message: str, clock: Clock) -> bytes:
    """The body of an error, in the same shape as the API's."""
    error = {"error": {"code": code, "message": message}, "timestamp": rfc3339(clock.now())}
    return json.dumps(error).encode() + b"\n"


def _app(latest: Callable[[], Snapshot], clock: Clock, token: str | None, *, page: str | None) -> Flask:
    app = Flask("health")

    def show_paths() -> bool:
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        if token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(credential.strip().encode(), token.encode())

    def answer(good: bool, body: dict[str, Any]) -> Response:
        return Response(json.dumps(body) + "\n", 200 if good else 503, content_type="application/json")

    @app.get("/health")
    @app.get("/health/ready")
    def health() -> Response:
        body = latest().body(clock.monotonic(), show_paths=show_paths())
        return answer(body["status"] != "failing", body)

    @app.get("/health/live")
    def live() -> Response:
        alive = latest().fresh(clock.monotonic())
        return answer(alive, {"status": "ok" if alive else "failing"})

    @app.get("/health/active")
    def active() -> Response:
        now, snapshot = clock.monotonic(), latest()
        return answer(snapshot.active(now), snapshot.body(now, show_paths=show_paths()))

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(text(show_paths=show_paths()), content_type=CONTENT_TYPE_LATEST)

    if page is not None:
        app.add_url_rule("/", "root", lambda: redirect(page))

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        pages = ", ".join((*HEALTH_PATHS, "/metrics"))
        code, message = ClippingError.code, error.description or error.name
        match error.code:
            case 404:
                code, message = NotFound.code, f"there is no {request.path}: see {pages}"
            case 405:
                code = MethodNotAllowed.code
        response = Response(_error(code, message, clock), error.code, content_type="application/json")
        for name, value in error.get_headers(request.environ):
            if name == "Allow":
                response.headers[name] = value
        return response

    return app
