"""Prometheus metrics: requests, and the load from the database.

Under gunicorn each worker counts into files of `PROMETHEUS_MULTIPROC_DIR`, and the scraped worker adds them
up.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.db import load
from api.db.engine import Database
from clipping.clock import Clock
from clipping.errors import QueueUnavailable, TransientError

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that prometheus_client reads on import."""
FRESH_SECONDS = 5.0
"""How long the database's result is cached, so that scrapes do not load it."""
_CODES = frozenset(error.code for error in TransientError.__subclasses__())
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        own = CollectorRegistry()
        labels = ["route", "method"]
        self._requests = Counter(
            "clipping_api_requests", "Requests by answer.", [*labels, "status"], registry=own
        )
        self._seconds = Histogram(
            "clipping_api_request_seconds",
            "How long answers took.",
            labels,
            registry=own,
            buckets=_BUCKETS,
        )
        self.streams = Gauge(
            "clipping_api_event_streams", "Open event streams.", registry=own, multiprocess_mode="livesum"
        )
        self._retries = Counter(
            "clipping_api_retries", "Errors after which agents try clips again.", ["code"], registry=own
        )
        self._expired = Counter(
            "clipping_api_expired_objects",
            "Requests whose expired objects were deleted, or could not be deleted.",
            ["result"],
            registry=own,
        )
        self._closed = Counter(
            "clipping_api_connections_closed",
            "Connections that the server closed, by reason.",
            ["reason"],
            registry=own,
        )
        self._registry = own
        if os.environ.get(MULTIPROCESS_FOLDER):
            self._registry = CollectorRegistry()
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        self._registry.register(_FromDatabase(database, clock))

    def install(self, app: Flask) -> None:
        """Count the app's responses."""
        app.after_request(self._after)

    def retried(self, code: str) -> None:
        """Count a retry that an agent reported for this error."""
        # Unknown codes share one label: arbitrary codes must not fill the memory.
        self._retries.labels(code if code in _CODES else "other").inc()

    def swept(self, deleted: int, failed: int) -> None:
        """Count the requests whose objects the janitor deleted, or could not delete."""
        self._expired.labels("deleted").inc(deleted)
        self._expired.labels("failed").inc(failed)

    def connections_closed(self, reasons: Mapping[str, int]) -> None:
        """Count connections that the server closed."""
        for reason, count in reasons.items():
            self._closed.labels(reason).inc(count)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)

    def _after(self, response: Response) -> Response:
        # Unknown paths share one label: arbitrary paths must not fill the memory.
        route = request.url_rule.rule if request.url_rule else "other"
        method = request.method if request.url_rule else "any"
        self._requests.labels(route, method, str(response.status_code)).inc()
        self._seconds.labels(route, method).observe(time.perf_counter() - g.began)
        return response


class _FromDatabase(Collector):
    """Metrics from the database, which all instances share."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._known: load.Load | None = None
        self._read_at = float("-inf")

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            now = self._clock.monotonic()
            if now - self._read_at >= FRESH_SECONDS:
                self._known, self._read_at = self._read(), now
            known = self._known
        yield GaugeMetricFamily(
            "clipping_api_database_up", "Whether the database answers.", value=int(known is not None)
        )
        if known is None:
            return
        clips = GaugeMetricFamily(
            "clipping_api_clips", "Requests that have not ended.", labels=["status", "lane"]
        )
        for (status, lane), count in known.open_clips.items():
            clips.add_metric([status, lane], count)
        yield clips
        yield GaugeMetricFamily(
            "clipping_api_outbox", "Requests that are not yet known to be in Pub/Sub.", value=known.outbox
        )
        yield GaugeMetricFamily(
            "clipping_api_outbox_age_seconds",
            "How long the oldest of them has waited.",
            value=known.outbox_age_seconds,
        )
        yield GaugeMetricFamily(
            "clipping_api_parked_messages", "Messages that could not be read.", value=known.parked
        )

    def describe(self) -> Iterable[Metric]:
        """Empty, so that registering it does not query the database."""
        return ()

    def _read(self) -> load.Load | None:
        try:
            with self._database.read() as session:
                return load.measure(session, self._clock.now())
        except QueueUnavailable:
            return None
