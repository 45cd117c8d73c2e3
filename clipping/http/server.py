"""waitress's server with `Limits`: deadlines, room for new connections, and a reserve for health checks."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from clipping.errors import Overloaded, RequestError
from clipping.http.channel import Channel
from clipping.http.limits import Limits, overdue, to_make_room
from clipping.http.parser import HeadCheck, RequestParser, StreamCheck
from clipping.http.poller import Poller
from clipping.log import get_logger

CHECK_SECONDS = 0.5
"""How often it looks for connections to close."""
FULL_SECONDS = 0.02
"""The same while it can accept no more: short, as others wait; not zero, so that a flood costs a bounded
share of the CPU."""
LOG_SECONDS = 10.0
"""How often it logs which connections were closed, at most."""
RETRY_SECONDS = 5
"""What a client is asked to wait that is refused for the sake of the limits."""
SMALL_BODY_BYTES = 16_384
"""Bodies up to this size are not counted: their number is that of the connections."""
BACKLOG = 4096
"""Connections that wait to be accepted. Beyond it, or the system's limit, clients retry after a second."""
_ACCEPTED_AT_ONCE = 64
_ROUTINE = frozenset({"idle", "lingering"})
"""Reasons that are not worth a warning."""

log = get_logger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _accept_any(_: RequestParser) -> None:
    return None


def _none(_method: str, _path: str) -> bool:
    return False


def _ignore(_: Mapping[str, int]) -> None:
    return None


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Serves one WSGI app. `turn` and `shut_down` belong to one thread, `wake` to any."""

    active_channels: dict[int, Channel]

    def __init__(
        self,
        app: Any,
        bound: socket.socket,
        *,
        threads: int,
        limits: Limits,
        health_paths: Collection[str] = (),
        pools: Mapping[str, int] | None = None,
        channel: type[Channel] = Channel,
        check_head: HeadCheck = _accept_any,
        streams: StreamCheck = _none,
        streaming_threads: int = 0,
        on_closed: Callable[[Mapping[str, int]], None] = _ignore,
        **adjustments: Any,
    ) -> None:
        """`pools`: numbers of threads for paths with a certain beginning, which use no others.
        `adjustments` are waitress's. `check_head` sees each request once its headers are complete.
        `on_closed` gets the number of closed connections by reason, from the loop's thread. `streams`: the
        requests whose bodies the app reads as they arrive, on `streaming_threads` of their own."""
        # A full queue shows in the latency. A warning for each waiting request would hide everything else.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self.crowded = False
        """Whether there are too many connections and none can be closed."""
        self._limits, self._health_paths = limits, frozenset(health_paths)
        self._most = limits.connections + limits.reserve
        self._check_head, self._on_closed = check_head, on_closed
        self.streams, self._streaming_threads = streams, streaming_threads
        self.poller = Poller()
        self._next_log = self._tended_at = 0.0
        self._closed: Counter[str] = Counter()
        self._waking = threading.Lock()
        self._shut = False
        adj = Adjustments(
            sockets=[bound],
            backlog=BACKLOG,
            ident=None,
            log_socket_errors=False,
            **adjustments,
        )
        self.channel_class = channel
        super().__init__(
            app,
            map={},
            _sock=bound,
            dispatcher=_Dispatcher(threads, self._health_paths, pools or {}, streaming=streaming_threads),
            adj=adj,
            sockinfo=(bound.family, bound.type, bound.proto, bound.getsockname()),
            bind_socket=False,
        )

    def turn(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for something to do, and do it."""
        pause = FULL_SECONDS if self._full else CHECK_SECONDS
        self.poller.turn(min(timeout, pause), (self, self.trigger), self._map.get)
        if (now := time.monotonic()) >= self._tended_at + pause:
            self._tended_at = now
            self.tend(now)

    def wake(self) -> None:
        """Make a running `turn` return. From any thread, also after `shut_down`."""
        self.pull_trigger()

    def pull_trigger(self) -> None:
        """Overrides waitress, which would write to a descriptor that is closed or belongs to another file."""
        with self._waking:
            if not self._shut:
                super().pull_trigger()

    @property
    def _full(self) -> bool:
        return len(self.active_channels) >= self._most

    @property
    def busy(self) -> bool:
        """Whether answers are under way, or requests that have just begun."""
        now = time.monotonic()
        return any(
            channel.requests or channel.total_outbufs_len or channel.expects(now)
            for channel in self.active_channels.values()
        )

    @property
    def _streaming(self) -> int:
        return sum(channel.streams for channel in self.active_channels.values())

    def stop_accepting(self) -> None:
        """No new connections; the open ones stay."""
        wasyncore.dispatcher.close(self)

    def shut_down(self, timeout: float = 1.0) -> None:
        """Close everything, after waiting up to `timeout` seconds for the threads."""
        self.task_dispatcher.shutdown(timeout=timeout)
        with self._waking:
            self._shut = True
        wasyncore.close_all(self._map, ignore_all=True)
        self.poller.close()

    def tend(self, now: float) -> None:
        """Close what is overdue and, of too many, the oldest idle connections."""
        channels = {id(each): each for each in self.active_channels.values()}
        states = [each.state() for each in channels.values()]
        late = overdue(states, self._limits, now, crowded=self.crowded)
        gone = {each.id for each in late}
        rest = [each for each in states if each.id not in gone]
        surplus = len(rest) - self._limits.connections
        moved = to_make_room(rest, surplus) if surplus > 0 else []
        self.crowded = surplus > len(moved)
        reasons = Counter(each.phase.name.lower() for each in late)
        if moved:
            reasons["room"] = len(moved)
        if reasons:
            self._on_closed(reasons)
        self._report(reasons, now)
        for each in [*late, *moved]:
            channels[each.id].abort()

    def check(self, channel: Channel, head: RequestParser) -> RequestError | None:
        """Why this request is refused before its body is read, if it is."""
        if channel.reserved and self.crowded and head.path not in self._health_paths:
            message = "the service has too many open connections: try again later"
            return Overloaded(message, retry_after=RETRY_SECONDS)
        channel.body_bytes = 0
        error = self._check_head(head)
        if error is None and head.body is not None and self._streaming >= self._streaming_threads:
            message = "the service receives too many uploads: try again later"
            return Overloaded(message, retry_after=RETRY_SECONDS)
        if error is None and (size := head.announced_bytes) > SMALL_BODY_BYTES:
            if (
                size + sum(each.body_bytes for each in self.active_channels.values() if each.holds_body)
                > self._limits.body_bytes
            ):
                message = "the service holds too many large bodies: try again later"
                return Overloaded(message, retry_after=RETRY_SECONDS)
            channel.body_bytes = size
        return error

    def del_channel(self, map: Any = None) -> None:
        if self._fileno is not None:
            self.poller.remove(self._fileno)
        super().del_channel(map)

    def readable(self) -> bool:
        """Whether to accept. waitress's own also closes connections, which `tend` does here."""
        return self.accepting and not self._full

    def handle_accept(self) -> None:
        """Accept all that wait, and not only one connection in each turn of the loop."""
        for _ in range(_ACCEPTED_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if self._full or len(self.active_channels) == before:
                return

    def _report(self, reasons: Counter[str], now: float) -> None:
        self._closed += Counter({name: count for name, count in reasons.items() if name not in _ROUTINE})
        if self._closed and now >= self._next_log:
            self._next_log = now + LOG_SECONDS
            log.warning("http.connections_closed", open=len(self.active_channels), **self._closed)
            self._closed.clear()


class _Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads for all requests, and one more for health checks and refusals while those are all at work.

    `pools`: threads for paths with a certain beginning. Requests whose bodies the app reads have threads of
    their own: their clients may be slow.
    """

    def __init__(
        self, threads: int, health_paths: frozenset[str], pools: Mapping[str, int], *, streaming: int
    ) -> None:
        super().__init__()
        self._pools = {prefix: _pool(size) for prefix, size in pools.items()}
        self._health_paths = health_paths
        self.set_thread_count(threads)
        self._reserve, self._streaming = _pool(1), _pool(streaming)

    def add_task(self, task: Channel) -> None:
        request = task.requests[0]
        is_quick = request.error is not None or request.path in self._health_paths
        pool = next((pool for prefix, pool in self._pools.items() if request.path.startswith(prefix)), None)
        if pool is not None and request.error is None:
            pool.add_task(task)
        elif request.body is not None and request.error is None:
            self._streaming.add_task(task)
        elif is_quick and not self._has_idle_thread():
            self._reserve.add_task(task)
        else:
            super().add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        for pool in (self._reserve, self._streaming, *self._pools.values()):
            pool.shutdown(cancel_pending, timeout)
        return bool(super().shutdown(cancel_pending, timeout))

    def _has_idle_thread(self) -> bool:
        with self.lock:
            idle: int = len(self.threads) - self.stop_count - self.active_count
            return idle > len(self.queue)


def _pool(threads: int) -> ThreadedTaskDispatcher:
    pool = ThreadedTaskDispatcher()
    pool.set_thread_count(threads)
    return pool
