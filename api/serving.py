"""The app under waitress: threads for requests, none for slow readers, and a stop that loses no answer."""

from __future__ import annotations

import ipaddress
import logging
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import TcpWSGIServer, create_server

from api.channel import Channel
from clipping.config import Api
from clipping.errors import ClippingError, ConfigurationError
from clipping.log import get_logger

MAX_BODY_BYTES = 16 << 20
"""What is taken in (into a temporary file) before the app refuses it in its own words. Beyond it, waitress
closes the connection at once."""
MAX_CONNECTIONS = 400
"""Open connections of one process, besides those that were taken over by event streams."""
MAX_HEADER_BYTES = 32_768
DRAIN_SECONDS = 5.0
"""How long a stop waits for the answers that are under way; long downloads are cut off after it."""
SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter while others want it. A request waits a dozen times for the
database and for Pub/Sub, and after each time once more for the threads that are computing: with Python's
5 ms that made most of a busy service's latency."""
_LOOP_SECONDS = 1.0
_OTHER_FILES = 300
"""Databases, Pub/Sub, logs. A connection may need a second file, for a large body."""

log = get_logger(__name__)


class CannotListen(ClippingError):
    """The address can't be bound."""

    code = "CANNOT_LISTEN"


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises `CannotListen`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise CannotListen(f"can't listen on {host} port {port}: {error.strerror or error}") from None
    return bound


def check_address(api: Api, addresses: Sequence[str]) -> None:
    """Raises `ConfigurationError` when anybody could reach a service that asks nobody for a key."""
    outside = [each for each in addresses if not ipaddress.ip_address(each).is_loopback]
    if outside and not api.keys and api.oidc is None:
        raise ConfigurationError([f"api: keys or oidc are required to listen on {', '.join(outside)}"])


def url_of(bound: socket.socket) -> str:
    """`http://host:port` of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server:
    """Serves one app until `stop`. `run` belongs to one thread, `stop` to any, signal handlers included."""

    def __init__(self, app: Flask, bound: socket.socket, *, threads: int, trusted_proxies: int = 0) -> None:
        """`threads` answer requests; `trusted_proxies` say in X-Forwarded-For where a call comes from."""
        # A full queue is seen in the latency; a warning for every request that waits would drown the rest.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._stopping = threading.Event()
        self._server: TcpWSGIServer = create_server(
            app,
            sockets=[bound],
            threads=threads,
            connection_limit=MAX_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=MAX_BODY_BYTES,
            recv_bytes=65_536,
            asyncore_use_poll=True,  # select() ends at file descriptor 1023
            asyncore_loop_timeout=1,
            log_socket_errors=False,
            ident=None,
            clear_untrusted_proxy_headers=True,
            **_trust(trusted_proxies),
        )
        self._server.channel_class = Channel

    def run(self, every_turn: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`, then finish the answers that are under way.

        `every_turn` is called at least once a second, also meanwhile.
        """
        sys.setswitchinterval(SWITCH_SECONDS)
        while not self._stopping.is_set():
            every_turn()
            self._turn()
        wasyncore.dispatcher.close(self._server)  # no new connections; the open ones stay
        give_up = time.monotonic() + DRAIN_SECONDS
        while self._busy() and time.monotonic() < give_up:
            every_turn()
            self._turn()
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._server._map)

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()
        self._server.pull_trigger()

    def _turn(self) -> None:
        wasyncore.loop(timeout=_LOOP_SECONDS, use_poll=True, map=self._server._map, count=1)

    def _busy(self) -> bool:
        return any(
            channel.requests or channel.total_outbufs_len for channel in self._server.active_channels.values()
        )


def _trust(proxies: int) -> dict[str, Any]:
    if not proxies:
        return {}
    headers = {"x-forwarded-for", "x-forwarded-proto"}
    return {"trusted_proxy": "*", "trusted_proxy_count": proxies, "trusted_proxy_headers": headers}


def allow_open_files(event_streams: int) -> None:
    """Raise this process's own limit on open files to what it may need, as far as the system lets it."""
    wanted = 2 * MAX_CONNECTIONS + event_streams + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        log.info("api.open_files", old=soft, new=most)
