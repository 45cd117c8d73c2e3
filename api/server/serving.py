"""Runs the app under waitress: no threads for slow readers, and a graceful stop."""

from __future__ import annotations

import ipaddress
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flask import Flask

from api.http.head import HeadCheck
from api.server.channel import Channel
from api.services import Services
from clipping.config import Api
from clipping.errors import ClippingError, ConfigurationError
from clipping.http import server
from clipping.http.limits import Limits
from clipping.http.server import listen
from clipping.log import get_logger

LIMITS = Limits(connections=1000, reserve=128)
"""The limit of one process, without event streams."""
LEAST_CONNECTIONS = 50
HEALTH_PATHS = ("/health", "/openapi.yaml")
"""The liveness path for deploy/cloudrun and load balancers."""
MAX_HEADER_BYTES = 32_768
DRAIN_SECONDS = 4.5
"""How long a stop waits for the answers that are under way; long downloads are cut off after it. Together
with the two below it stays under 10 s: Cloud Run kills after that."""
THREAD_END_SECONDS = 0.5
STOP_SECONDS = 2.5
"""How long a stop waits for messages in flight, after the last response."""
SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter while others want it. A request waits a dozen times for the
database and for Pub/Sub, and after each time once more for the threads that are computing: with Python's
5 ms that made most of a busy service's latency."""
_LOOP_SECONDS = 1.0
_OTHER_FILES = 300
"""Databases, Pub/Sub, logs."""
_FILES_PER_CONNECTION = 2
"""Descriptors of a connection: its socket, and the temporary file of a large body."""

log = get_logger(__name__)


class CannotListen(ClippingError):
    """The address can't be bound."""

    code = "CANNOT_LISTEN"


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises `CannotListen`."""
    try:
        return listen(host, port)
    except OSError as error:
        raise CannotListen(f"can't listen on {host} port {port}: {error.strerror or error}") from None


def check_address(api: Api, addresses: Sequence[str]) -> None:
    """Raises `ConfigurationError` when other machines can reach a service that requires no key."""
    outside = [each for each in addresses if not ipaddress.ip_address(each).is_loopback]
    if outside and not api.keys and api.oidc is None:
        raise ConfigurationError([f"api: keys or oidc are required to listen on {', '.join(outside)}"])


def url_of(bound: socket.socket) -> str:
    """`http://host:port` of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server:
    """Serves one app until `stop`, which may be called from any thread or signal handler."""

    def __init__(
        self,
        app: Flask,
        bound: socket.socket,
        *,
        threads: int,
        trusted_proxies: int = 0,
        limits: Limits = LIMITS,
        max_body_bytes: int = 1 << 20,
        **options: Any,
    ) -> None:
        """`threads` answer requests; `trusted_proxies` say in X-Forwarded-For where a call comes from.
        `options` are those of `clipping.http.server.Server`."""
        self._stopping = threading.Event()
        self._server = server.Server(
            app,
            bound,
            threads=threads,
            limits=limits,
            health_paths=HEALTH_PATHS,
            channel=Channel,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=max_body_bytes,
            recv_bytes=65_536,
            clear_untrusted_proxy_headers=True,
            **_trust(trusted_proxies),
            **options,
        )

    def run(self, every_turn: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`, then finish the requests in flight.

        `every_turn` is called at least once a second, also during the stop.
        """
        sys.setswitchinterval(SWITCH_SECONDS)
        while not self._stopping.is_set():
            every_turn()
            self._server.turn(_LOOP_SECONDS)
        self._server.stop_accepting()
        give_up = time.monotonic() + DRAIN_SECONDS
        while self._server.busy and time.monotonic() < give_up:
            every_turn()
            self._server.turn(_LOOP_SECONDS)
        self._server.shut_down(THREAD_END_SECONDS)

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()
        self._server.wake()


def server_of(app: Flask, bound: socket.socket) -> Server:
    """The server of an app from `create_app`. Increases this process's limit on open files."""
    parts: Services = app.extensions["clipping"]
    api = parts.config.api
    check_head = HeadCheck(api, parts.authenticator)
    connections = connections_for(allow_open_files(api.event_streams), api.event_streams)
    return Server(
        app,
        bound,
        threads=api.threads,
        trusted_proxies=api.trusted_proxies,
        limits=replace(LIMITS, connections=connections),
        max_body_bytes=check_head.largest_body_bytes,
        check_head=check_head,
        streams=check_head.is_upload,
        streaming_threads=api.uploads,
        on_closed=parts.metrics.connections_closed,
    )


def _trust(proxies: int) -> dict[str, Any]:
    if not proxies:
        return {}
    headers = {"x-forwarded-for", "x-forwarded-proto"}
    return {"trusted_proxy": "*", "trusted_proxy_count": proxies, "trusted_proxy_headers": headers}


def allow_open_files(event_streams: int) -> int:
    """Increase this process's limit on open files to its needs, up to the system's limit.

    Returns the new limit.
    """
    wanted = _FILES_PER_CONNECTION * (LIMITS.connections + LIMITS.reserve) + event_streams + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        log.info("api.open_files", old=soft, new=most)
    return most


def connections_for(open_files: int, event_streams: int) -> int:
    """The number of connections that a limit on open files allows. Pure."""
    room = (open_files - event_streams - _OTHER_FILES) // _FILES_PER_CONNECTION - LIMITS.reserve
    return max(LEAST_CONNECTIONS, min(LIMITS.connections, room))
