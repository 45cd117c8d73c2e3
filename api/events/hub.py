"""The one thread of a process that serves all its event streams."""

from __future__ import annotations

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from api.db import watching
from api.db.engine import Database
from api.db.tables import Clip
from api.events.changes import Seen, changes, frames
from api.events.feed import MOST_PENDING_BYTES, STALLED_SECONDS, Feed, Subscription
from api.events.stream import MAX_PENDING_BYTES, Stream
from api.http.connection_handover import Handed
from clipping.clock import Clock
from clipping.contract.results import ClipStatus
from clipping.errors import QueueUnavailable, TooManyStreams
from clipping.log import get_logger

LOOK_SECONDS = 0.5
"""How often it polls for changes."""
COMMENT_SECONDS = 10.0
"""The interval of comments on an idle stream, for proxies."""
LONGEST_SECONDS = 900.0
"""The maximum duration of a stream. The client then reconnects and authenticates again. A stream of all
requests that was opened with a key has none: keys do not change while the process runs."""
_RETRY_SECONDS = 5

log = get_logger(__name__)


@dataclass
class _Watched:
    """A request and its streams."""

    seen: Seen | None = None
    """The last state sent to all `streams`."""
    streams: set[Stream] = field(default_factory=set)
    new: list[tuple[Stream, int | None]] = field(default_factory=list)
    """New streams to which nothing was sent yet, each with the revision that its client has."""


class Hub:
    """Event streams. `check_room`, `take` and `open_streams` are thread-safe; the rest belongs to one
    thread."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        status: Callable[[Clip], ClipStatus],
        limit: int,
        limit_per_caller: int,
        on_count: Callable[[int], None],
    ) -> None:
        """`status` describes a row, without I/O. `limit` is how many streams may be open, give or take one
        for each thread that takes requests; `limit_per_caller` the same for a caller's streams of all
        requests. `on_count` gets the number of open ones now and then."""
        self._database = database
        self._clock = clock
        self._status = status
        self._limit = limit
        self._limit_per_caller = limit_per_caller
        self._on_count = on_count
        self._handed: deque[tuple[str, int | None, Handed]] = deque()
        self._joining: deque[tuple[Subscription, Handed]] = deque()
        self._watched: dict[str, _Watched] = {}
        self._watches: dict[Stream, str | None] = {}
        """Each stream's request; None: all, see `_feed`."""
        self._feed = Feed(status)
        self._stopping = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    @property
    def open_streams(self) -> int:
        return len(self._watches) + len(self._handed) + len(self._joining)

    def check_room(self, caller: str | None = None) -> None:
        """`caller`: who wants a stream of all requests. Raises `TooManyStreams`."""
        if caller is not None and self._feed.callers[caller] >= self._limit_per_caller:
            raise TooManyStreams(
                f"you have {self._limit_per_caller} streams of all requests open, as many as this service "
                "allows: close one, or retry later",
                retry_after=_RETRY_SECONDS,
            )
        if not self._thread.is_alive() or self.open_streams >= self._limit:
            raise TooManyStreams(
                "as many event streams are open as this service allows: poll the status, or retry later",
                retry_after=_RETRY_SECONDS,
            )

    def take(self, request_id: str, known: int | None, handed: Handed) -> None:
        """Serve a client's connection from now on; the client has the revision `known`."""
        self._handed.append((request_id, known, handed))
        self._wake()

    def join(self, wanted: Subscription, handed: Handed) -> None:
        """Serve the connection of a client that follows all requests."""
        self._joining.append((wanted, handed))
        self._wake()

    def start(self) -> None:
        """Start to serve. Call it after a fork, not before."""
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End all streams. Their clients reconnect to another process."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._wake()
            self._thread.join(timeout)

    def _wake(self) -> None:
        try:
            self._waker.send(b"x")
        except BlockingIOError:
            pass  # a wake-up is pending already

    def _run(self) -> None:
        next_look = self._clock.monotonic()
        try:
            while not self._stopping.is_set():
                try:
                    at_once = self._feed.is_due and not self._away
                    self._serve(0.0 if at_once else max(0.0, next_look - self._clock.monotonic()))
                    now = self._clock.monotonic()
                    arrived = self._admit(now)
                    if now >= next_look:
                        next_look = now + LOOK_SECONDS
                        self._look(list(self._watched), now)
                        self._look_at_all(now)
                        self._tend(now)
                    elif arrived:
                        self._look(arrived, now)
                    if self._feed.is_due and not self._away:
                        self._look_at_all(now)
                except Exception:  # top of the thread: one failure must not end the other streams
                    log.exception("events.turn_failed")
                    self._stopping.wait(LOOK_SECONDS)
        finally:
            self._end_all()

    def _serve(self, timeout: float) -> None:
        """Wait for writable, disconnected or new clients."""
        for key, mask in self._selector.select(timeout):
            if key.data is None:
                self._woken.recv(4096)
                continue
            stream: Stream = key.data
            gone = bool(mask & selectors.EVENT_READ) and not stream.drain_input()
            if gone or (mask & selectors.EVENT_WRITE and not stream.flush()):
                self._drop(stream)
            else:
                self._listen(stream)

    def _admit(self, now: float) -> list[str]:
        """Register the connections that were handed over. Returns their requests."""
        arrived = []
        while self._handed:
            request_id, known, handed = self._handed.popleft()
            stream = self._open(handed, now)
            if stream is None:
                continue
            self._watches[stream] = request_id
            self._watched.setdefault(request_id, _Watched()).new.append((stream, known))
            arrived.append(request_id)
        while self._joining:
            wanted, handed = self._joining.popleft()
            stream = self._open(handed, now, most_pending=MOST_PENDING_BYTES)
            if stream is not None:
                self._watches[stream] = None
                self._feed.add(stream, wanted)
        return arrived

    def _open(self, handed: Handed, now: float, *, most_pending: int = MAX_PENDING_BYTES) -> Stream | None:
        """The stream of a connection; None if it broke during the handover."""
        try:
            stream = Stream(
                handed.connection, handed.head, chunked=handed.chunked, now=now, most_pending=most_pending
            )
        except OSError:
            handed.connection.close()
            return None
        self._selector.register(stream.connection, selectors.EVENT_READ, stream)
        return stream

    def _look_at_all(self, now: float) -> None:
        """Send the changes of all requests to those that follow them."""
        if not self._feed:
            return
        try:
            with self._database.read() as session:
                news = list(self._feed.read(session))
        except QueueUnavailable as error:
            self._note_away(error)
            return
        self._away = False
        for stream, data in news:
            self._write(stream, data, now)

    def _note_away(self, error: QueueUnavailable) -> None:
        if not self._away:
            log.warning("events.database_away", reason=error.message)
        self._away = True

    def _look(self, request_ids: list[str], now: float) -> None:
        """Send the changes of these requests."""
        if not request_ids:
            return
        sent = {key: watched.seen.revision for key in request_ids if (watched := self._watched[key]).seen}
        try:
            with self._database.read() as session:
                found = watching.revisions(session, request_ids)
                changed = [key for key in found if found[key] != sent.get(key) or self._watched[key].new]
                rows = watching.rows(session, changed)
        except QueueUnavailable as error:
            self._note_away(error)
            return
        self._away = False
        for request_id in set(request_ids) - set(found):
            self._end(request_id, now)  # its row has expired
        for row in rows:
            try:
                seen = Seen.of(row, self._status(row))
            except (ValidationError, LookupError, TypeError, ValueError):
                log.exception("events.unreadable", request_id=row.request_id)
                self._end(row.request_id, now)
                continue
            self._send_to_streams(row.request_id, seen, now)

    def _send_to_streams(self, request_id: str, seen: Seen, now: float) -> None:
        watched = self._watched[request_id]
        if watched.seen is not None:
            news = frames(changes(watched.seen, seen), seen)
            for stream in list(watched.streams):
                self._write(stream, news, now)
        watched.seen = seen
        arrived, watched.new = watched.new, []
        watched.streams.update(stream for stream, _ in arrived)
        for stream, known in arrived:
            if known != seen.revision:
                self._write(stream, frames(changes(None, seen), seen), now)
        if seen.ended and request_id in self._watched:
            self._end(request_id, now)

    def _write(self, stream: Stream, data: bytes, now: float) -> None:
        if stream not in self._watches:
            return
        if stream.write(data, now):
            self._listen(stream)
        else:
            self._drop(stream)

    def _tend(self, now: float) -> None:
        """Send comments on idle streams, and end streams that reached the maximum duration."""
        self._on_count(len(self._watches))
        for stream in list(self._watches):
            if stream.close_by is not None:
                if now >= stream.close_by:
                    self._drop(stream)
            elif stream in self._feed and stream.pending:
                if now - stream.written_at >= STALLED_SECONDS:
                    self._drop(stream)
            elif now - stream.opened_at >= LONGEST_SECONDS and not self._feed.is_lasting(stream):
                self._finish(stream, now)
            elif now - stream.written_at >= COMMENT_SECONDS:
                self._write(stream, b": still here\n\n", now)

    def _end(self, request_id: str, now: float) -> None:
        """End the streams of this request."""
        watched = self._watched.pop(request_id)
        for stream in (*watched.streams, *(stream for stream, _ in watched.new)):
            if stream in self._watches:
                self._finish(stream, now)

    def _finish(self, stream: Stream, now: float) -> None:
        if stream.end(now):
            self._listen(stream)
        else:
            self._drop(stream)

    def _listen(self, stream: Stream) -> None:
        """Register for writability, if data is pending, and for the end of the connection."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if stream.pending else 0)
        if self._selector.get_key(stream.connection).events != wanted:
            self._selector.modify(stream.connection, wanted, stream)

    def _drop(self, stream: Stream) -> None:
        self._selector.unregister(stream.connection)
        stream.close()
        request_id = self._watches.pop(stream)
        self._feed.discard(stream)
        watched = self._watched.get(request_id) if request_id is not None else None
        if request_id is None or watched is None:
            return
        watched.streams.discard(stream)
        watched.new = [(each, known) for each, known in watched.new if each is not stream]
        if not watched.streams and not watched.new:
            del self._watched[request_id]

    def _end_all(self) -> None:
        now = self._clock.monotonic()
        for stream in list(self._watches):
            stream.end(now)
            self._drop(stream)
        for handed in (*(each[-1] for each in self._handed), *(each[-1] for each in self._joining)):
            handed.connection.close()
        self._selector.close()
        self._waker.close()
        self._woken.close()
