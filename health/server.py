"""The agent's HTTP: `/health`, `/health/live`, `/health/ready`, `/metrics`. It reads the newest snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flask import Flask, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from waitress import wasyncore
from waitress.server import create_server

from clipping.clock import Clock
from clipping.errors import ConfigurationError
from health.snapshot import MAX_AGE_SECONDS, Snapshot

THREADS = 2
CONNECTIONS = 50
"""A flood waits in the kernel's queue; it never costs the agent more than this."""
IDLE_SECONDS = 10
"""A client that says nothing for so long is disconnected."""
LOOP_SECONDS = 0.5
THREAD_END_SECONDS = 2.0


class HealthServer:
    """Owns the thread `health-http` and waitress's own. `latest` must not block."""

    def __init__(self, host: str, port: int, latest: Callable[[], Snapshot], clock: Clock) -> None:
        # The loop below is waitress's own `run`, with a way out: closing its sockets under a running loop
        # is a race that ends in "bad file descriptor".
        self._sockets: dict[int, object] = {}
        self._stop = threading.Event()
        try:
            self._server = create_server(
                _app(latest, clock),
                map=self._sockets,
                host=host,
                port=port,
                threads=THREADS,
                connection_limit=CONNECTIONS,
                channel_timeout=IDLE_SECONDS,
                ident=None,
            )
        except OSError as error:
            wasyncore.close_all(self._sockets, ignore_all=True)
            raise ConfigurationError(
                [f"health.port: {host}:{port} can't be listened on: {error.strerror}"]
            ) from None
        self.port: int = self._server.effective_port
        self._thread = threading.Thread(target=self._run, name="health-http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(LOOP_SECONDS + THREAD_END_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            wasyncore.loop(timeout=LOOP_SECONDS, map=self._sockets, count=1)
        self._server.task_dispatcher.shutdown(timeout=THREAD_END_SECONDS)
        wasyncore.close_all(self._sockets, ignore_all=True)


def _app(latest: Callable[[], Snapshot], clock: Clock) -> Flask:
    app = Flask("health")
    app.json.sort_keys = False  # type: ignore[attr-defined]

    def fresh() -> bool:
        return clock.monotonic() - latest().at <= MAX_AGE_SECONDS

    @app.get("/health")
    @app.get("/health/ready")
    def health() -> tuple[Response, int]:
        snapshot = latest()
        body = snapshot.body(clock.monotonic())
        if not fresh():
            body["status"] = "failing"
            body["reasons"] = [f"the last snapshot is {body['snapshot_age_seconds']} s old", *body["reasons"]]
        return jsonify(body), 200 if body["status"] == "ok" else 503

    @app.get("/health/live")
    def live() -> tuple[Response, int]:
        alive = fresh()
        return jsonify({"status": "ok" if alive else "failing"}), 200 if alive else 503

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    return app
