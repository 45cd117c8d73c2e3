"""Streams of all requests of a caller: what to write to each. Used by the hub's thread only.

One query reads the changes of all requests for all streams. A stream that was interrupted, or that is slow,
is behind: it reads what it has missed by itself, in pages, each when the one before is sent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.db import changes as table
from api.db.changes import Position
from api.db.tables import Clip
from api.events.changes import Seen, feed_names, frames
from api.events.stream import Stream
from clipping.contract.choices import Kind
from clipping.contract.results import ClipStatus
from clipping.log import get_logger

MOST_MISSED = 10_000
"""Changes of all callers that a client may have missed; after more it has to list its requests again."""
MOST_READ = 500
"""Changes in one query for all streams."""
PAGE = 50
"""The same for a stream that is behind."""
PAGES = 20
"""Streams that may read a page in one turn, so that the others are served in between."""
BATCH_BYTES = 131_072
"""A stream with more to write reads it in pages."""
MOST_PENDING_BYTES = 1 << 20
"""Unsent bytes of a stream: those of one batch, as nothing is added before they are sent."""
STALLED_SECONDS = 30.0
"""How long a batch may take to be sent."""
MOST_KNOWN = 10_000
"""Requests whose last state is remembered. Of another one, the next event is a `status`."""

log = get_logger(__name__)


@dataclass(frozen=True)
class Subscription:
    """What a client wants to receive."""

    caller: str
    owner: str | None
    """Whose requests; None: all."""
    kind: Kind | None
    since: Position | None
    """After which its client has missed everything; None: it is new."""
    lasting: bool
    """Whether the stream has no maximum duration."""

    def wants(self, row: _Change) -> bool:
        """Whether the change is for this client."""
        return self.owner in (None, row.owner) and self.kind in (None, row.kind)


@dataclass(frozen=True)
class _Change:
    owner: str
    kind: str
    data: bytes


@dataclass
class _Member:
    wanted: Subscription
    at: Position | None
    """After which it has everything that was written to it; None: nothing is decided yet."""


class Feed:
    """All these streams of a process."""

    def __init__(self, status: Callable[[Clip], ClipStatus]) -> None:
        self._status = status
        self._members: dict[Stream, _Member] = {}
        self._behind: dict[Stream, None] = {}
        """The members that read by themselves, the next one first."""
        self._head: Position | None = None
        """Up to where the changes were read for all; None without members."""
        self._known: dict[str, Seen] = {}
        self.callers: Counter[str] = Counter()
        """How many streams each caller has."""

    def __contains__(self, stream: object) -> bool:
        return stream in self._members

    def __len__(self) -> int:
        return len(self._members)

    def is_lasting(self, stream: Stream) -> bool:
        """Whether it has no maximum duration."""
        return stream in self._members and self._members[stream].wanted.lasting

    @property
    def is_due(self) -> bool:
        """Whether a stream can take a page now."""
        return any(not stream.pending for stream in self._behind)

    def add(self, stream: Stream, wanted: Subscription) -> None:
        """Serve a stream from now on."""
        self._members[stream] = _Member(wanted, at=None)
        self._behind[stream] = None
        self.callers[wanted.caller] += 1

    def discard(self, stream: Stream) -> None:
        """A stream has ended."""
        member = self._members.pop(stream, None)
        self._behind.pop(stream, None)
        if member is not None:
            self.callers[member.wanted.caller] -= 1
        if not self._members:
            self._head = None
            self._known.clear()

    def read(self, session: Session) -> Iterator[tuple[Stream, bytes]]:
        """What to write to which stream. Raises `QueueUnavailable`."""
        if self._members:
            yield from self._read_for_all(session)
            yield from self._read_pages(session)

    def _read_for_all(self, session: Session) -> Iterator[tuple[Stream, bytes]]:
        head, end = self._head, table.end(session)
        if head is None or end < head:  # the second after a restore of the database
            head = end
        rows = table.between(session, head, end, limit=MOST_READ)
        read = [change for row in rows if (change := self._change(row, follow=True)) is not None]
        self._head = end if len(rows) < MOST_READ else table.position_of(rows[-1])
        for stream, member in self._members.items():
            if stream in self._behind:
                continue
            data = b"".join([change.data for change in read if member.wanted.wants(change)])
            if data and (stream.pending or len(data) > BATCH_BYTES):
                self._behind[stream] = None
                continue
            member.at = self._head
            if data:
                yield stream, data

    def _read_pages(self, session: Session) -> Iterator[tuple[Stream, bytes]]:
        ready = [stream for stream in self._behind if not stream.pending][:PAGES]
        for stream in ready:
            del self._behind[stream]
            yield stream, self._page(session, stream, self._members[stream])

    def _page(self, session: Session, stream: Stream, member: _Member) -> bytes:
        """The next page of a stream, which stays behind unless it is the last one."""
        head, wanted = self._head, member.wanted
        assert head is not None, "it was read before"
        at = member.at or wanted.since
        if at is None:
            return self._reset(member, head, "new")
        missed = 0 if member.at else table.count(session, at, head, limit=MOST_MISSED + 1)
        if at > head or missed > MOST_MISSED:
            return self._reset(member, head, "too_old")
        rows = table.between(session, at, head, limit=PAGE, owner=wanted.owner, kind=wanted.kind)
        data, taken = b"", 0
        for row in rows:
            if len(data) > BATCH_BYTES:
                break
            change = self._change(row, follow=False)
            data += change.data if change is not None else b""
            taken += 1
        if taken < len(rows) or len(rows) == PAGE:
            member.at = table.position_of(rows[taken - 1])
            self._behind[stream] = None
        else:
            member.at = head
        return data

    def _reset(self, member: _Member, head: Position, reason: Literal["new", "too_old"]) -> bytes:
        member.at = head
        return b"event: reset\ndata: %b\nid: %b\n\n" % (
            json.dumps({"reason": reason}).encode(),
            str(head).encode(),
        )

    def _change(self, row: Clip, *, follow: bool) -> _Change | None:
        """The events of a row. `follow`: as a change of the state that is known, and remember the new one."""
        try:
            seen = Seen.of(row, self._status(row))
        except (ValidationError, LookupError, TypeError, ValueError):
            log.exception("events.unreadable", request_id=row.request_id)
            return None
        names = feed_names(self._known.get(row.request_id) if follow else None, seen)
        if follow:
            self._remember(row.request_id, seen)
        return _Change(row.owner, row.kind, frames(names, seen, event_id=str(table.position_of(row))))

    def _remember(self, request_id: str, seen: Seen) -> None:
        self._known.pop(request_id, None)
        self._known[request_id] = replace(seen, body=b"")
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
