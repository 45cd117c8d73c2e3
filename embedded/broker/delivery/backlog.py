"""A subscription's undelivered and outstanding messages, in memory: leases, deadlines, backoff. Pure.

Only a window of a long backlog is in memory; the rest stays on disk and is loaded as the window drains. `now`
is in seconds of a monotonic clock. All methods are called from one thread.

A message is READY (deliverable), LEASED (delivered, until its deadline), DELAYED (in backoff) or LEAVING
(being forwarded to the dead letter topic). Acknowledged messages are removed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from embedded.broker.delivery.consumer import Consumer
from embedded.broker.delivery.policy import Policy

WINDOW_MESSAGES = 2000
"""Maximum number of ready messages in memory. Further published ones stay on disk until needed."""
WINDOW_BYTES = 16 << 20
"""Maximum total size of their bodies."""
LOW_MESSAGES = WINDOW_MESSAGES // 4
"""The window is loaded when it has fewer ready messages."""
MAX_HELD = 100_000
"""Maximum number of messages in memory in any state. Above it nothing is loaded until some are settled."""

_FORWARD_RETRY_SECONDS = 10.0


class State(Enum):
    """The delivery state of a message."""

    READY = auto()
    LEASED = auto()
    DELAYED = auto()
    LEAVING = auto()


@dataclass(slots=True, eq=False)
class Entry:
    """An unacknowledged message. `body` is kept for the first delivery only."""

    seq: int
    size: int
    body: bytes | None
    state: State = State.READY
    attempts: int = 0
    until: float = 0.0
    """The end of the lease or of the backoff."""
    timer: float = 0.0
    """The time of its timer; 0 without one."""
    consumer: Consumer | None = None


class Backlog:
    """The window of a subscription's messages, and their leases."""

    def __init__(self, policy: Policy, stored_up_to: int = 0) -> None:
        self.policy = policy
        self._entries: dict[int, Entry] = {}
        self._ready: deque[Entry] = deque()
        self._ready_bytes = 0
        self._timers: list[tuple[float, int]] = []
        self._changed: set[int] = set()
        self._loaded_to = 0
        self._stored_to = stored_up_to
        self._settled_while_loading: set[int] | None = None

    # State

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def ready(self) -> int:
        """Number of deliverable messages. May include some that are already settled."""
        return len(self._ready)

    @property
    def window_bytes(self) -> int:
        """Bytes of bodies held in memory."""
        return self._ready_bytes

    def next_timer(self) -> float | None:
        """The time of the next call of `tick`; None without timers."""
        return self._timers[0][0] if self._timers else None

    # Adding messages

    def offer(self, seq: int, body: bytes) -> None:
        """Add a stored message. Seqs increase from call to call."""
        behind = self._stored_to > self._loaded_to
        self._stored_to = max(self._stored_to, seq)
        if behind or seq <= self._loaded_to or self._is_full():
            return
        self._loaded_to = seq
        self._append(Entry(seq, len(body), body))

    def wants_load(self) -> bool:
        """Whether there are stored messages to load and the window has space for them."""
        return (
            self._stored_to > self._loaded_to
            and self._settled_while_loading is None
            and len(self._ready) < LOW_MESSAGES
            and self._ready_bytes < WINDOW_BYTES // 4
            and len(self._entries) < MAX_HELD
        )

    def begin_load(self) -> tuple[int, int]:
        """Start a load. Returns the seq after which to load, and the last stored seq at this time."""
        self._settled_while_loading = set()
        return self._loaded_to, self._stored_to

    def end_load(
        self, rows: Iterable[tuple[Entry, float]], *, loaded_to: int | None, stored_to: int, now: float
    ) -> None:
        """Add the loaded entries, each with the seconds until it is available.

        `loaded_to` is the last row's seq, or None if the load was complete; `stored_to` is the value returned
        by `begin_load`."""
        settled = self._settled_while_loading or set()
        self._settled_while_loading = None
        last = self._loaded_to
        for entry, wait in rows:
            last = max(last, entry.seq)
            if entry.seq <= self._loaded_to or entry.seq in settled:
                continue
            if entry.state is State.READY and wait <= 0:
                self._append(entry)
                continue
            if entry.state is State.READY:
                entry.state = State.DELAYED
            entry.body = None
            self._entries[entry.seq] = entry
            self._schedule(entry, now + max(wait, 0.0))
        self._loaded_to = max(last, stored_to) if loaded_to is None else max(last, loaded_to)

    def abort_load(self) -> None:
        """Cancel a failed load, so that it can be retried."""
        self._settled_while_loading = None

    def close(self) -> int:
        """Release all leases, before a new backlog replaces this one. Returns the last stored seq."""
        for entry in self._entries.values():
            self._release(entry)
        return self._stored_to

    # Delivering messages

    def take(
        self, consumer: Consumer, *, now: float, lease: float, limit: int, max_bytes: int, oldest: int = 0
    ) -> list[Entry]:
        """Lease up to `limit` ready messages with a total of at most `max_bytes` (but at least one) to
        `consumer`.

        Messages before seq `oldest` have expired and are dropped.
        """
        taken: list[Entry] = []
        size = 0
        while self._ready and len(taken) < limit and consumer.has_capacity():
            entry = self._ready[0]
            if entry.state is State.READY and entry.seq >= oldest:
                size += entry.size
                if taken and size > max_bytes:
                    break
                self._pop_ready()
                entry.state = State.LEASED
                entry.attempts += 1
                entry.consumer = consumer
                consumer.add(entry.size)
                self._schedule(entry, now + lease)
                self._changed.add(entry.seq)
                taken.append(entry)
            else:
                self._pop_ready()
                if entry.state is State.READY:
                    self._entries.pop(entry.seq, None)
        return taken

    def acknowledge(self, seqs: Iterable[int]) -> list[int]:
        """Settle messages, whichever delivery was acknowledged. Returns the seqs that the store must
        settle."""
        settled: list[int] = []
        for seq in seqs:
            entry = self._entries.pop(seq, None)
            if entry is not None:
                self._release(entry)
                if entry.state is State.READY:
                    entry.state = State.LEAVING  # skipped when it reaches the head of the queue
                self._changed.discard(seq)
                settled.append(seq)
            elif seq > self._loaded_to:
                # Delivered before a restart and not loaded since: only the store has it.
                if self._settled_while_loading is not None:
                    self._settled_while_loading.add(seq)
                settled.append(seq)
        return settled

    def modify(self, seq: int, attempt: int, lease: float, *, now: float) -> Entry | None:
        """Set the remaining lease of a delivery to `lease` seconds; 0 returns the message immediately.

        Expired leases and those of other deliveries are unchanged. Returns the message if it has become a
        dead letter."""
        entry = self._entries.get(seq)
        if entry is None or entry.state is not State.LEASED or entry.attempts != attempt:
            return None
        if lease <= 0:
            return self._fail(entry, now)
        self._schedule(entry, now + lease)
        self._changed.add(seq)
        return None

    def tick(self, now: float) -> list[Entry]:
        """End the leases and backoffs that are due. Returns the messages that became dead letters."""
        dead: list[Entry] = []
        while self._timers and self._timers[0][0] <= now:
            at, seq = heapq.heappop(self._timers)
            entry = self._entries.get(seq)
            if entry is None or entry.timer != at:
                continue
            entry.timer = 0.0
            if entry.until > now:
                self._schedule(entry, entry.until)
            elif entry.state is State.DELAYED:
                self._append(entry)
            elif entry.state is State.LEASED:
                leaving = self._fail(entry, now)
                if leaving is not None:
                    dead.append(leaving)
        return dead

    def forwarded(self, entry: Entry, *, success: bool, now: float) -> None:
        """Settle a dead letter that was stored in its topic, or deliver it again if that failed."""
        if self._entries.get(entry.seq) is not entry:
            return
        if success:
            del self._entries[entry.seq]
            self._changed.discard(entry.seq)
        else:
            self._delay(entry, now, max(_FORWARD_RETRY_SECONDS, self.policy.backoff(entry.attempts)))

    def drop_before(self, seq: int) -> None:
        """Drop expired messages."""
        for entry in [entry for entry in self._entries.values() if entry.seq < seq]:
            self.acknowledge([entry.seq])

    def changes(self) -> list[Entry]:
        """Messages whose attempts, lease or backoff changed since the last call."""
        entries = [self._entries[seq] for seq in self._changed if seq in self._entries]
        self._changed.clear()
        return entries

    # Internals

    def _is_full(self) -> bool:
        return (
            len(self._ready) >= WINDOW_MESSAGES
            or self._ready_bytes >= WINDOW_BYTES
            or len(self._entries) >= MAX_HELD
        )

    def _append(self, entry: Entry) -> None:
        entry.state = State.READY
        entry.timer = 0.0
        self._entries[entry.seq] = entry
        self._ready.append(entry)
        if entry.body is not None:
            self._ready_bytes += entry.size

    def _pop_ready(self) -> None:
        entry = self._ready.popleft()
        if entry.body is not None:
            self._ready_bytes -= entry.size

    def _fail(self, entry: Entry, now: float) -> Entry | None:
        """Handle a failed delivery (nacked or expired)."""
        self._release(entry)
        self._changed.add(entry.seq)
        if self.policy.gives_up(entry.attempts):
            entry.state = State.LEAVING
            return entry
        wait = self.policy.backoff(entry.attempts)
        if wait > 0:
            self._delay(entry, now, wait)
        else:
            self._append(entry)
        return None

    def _delay(self, entry: Entry, now: float, seconds: float) -> None:
        entry.state = State.DELAYED
        self._schedule(entry, now + seconds)
        self._changed.add(entry.seq)

    def _release(self, entry: Entry) -> None:
        if entry.consumer is not None:
            entry.consumer.remove(entry.size)
            entry.consumer = None

    def _schedule(self, entry: Entry, until: float) -> None:
        """Set the end of a lease or backoff. An earlier timer is kept: when it fires, it is set to the new
        end."""
        entry.until = until
        if entry.timer and entry.timer <= until:
            return
        entry.timer = until
        heapq.heappush(self._timers, (until, entry.seq))
        if len(self._timers) > 2 * len(self._entries) + 1024:
            self._timers = [(e.timer, e.seq) for e in self._entries.values() if e.timer]
            heapq.heapify(self._timers)
