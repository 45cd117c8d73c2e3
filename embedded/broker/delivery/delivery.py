"""Delivers a subscription's messages: connects its backlog to the disk, the clock and waiting consumers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from clipping.clock import Clock
from clipping.log import get_logger
from embedded.broker.delivery.ackid import ack_id, parse_ack_id
from embedded.broker.delivery.backlog import WINDOW_BYTES, WINDOW_MESSAGES, Backlog, Entry, State
from embedded.broker.delivery.consumer import Consumer
from embedded.broker.delivery.policy import Policy
from embedded.broker.refusals import Refusal
from embedded.broker.storage.storage import DeliveryState, Storage, StoredMessage
from embedded.broker.tasks import spawn

log = get_logger(__name__)

MAX_BATCH_MESSAGES = 1000
MAX_BATCH_BYTES = 1 << 20
"""Limit of one response. The client's channel to an emulator accepts at most 4 MiB."""

_MAX_TIMER_SECONDS = 30.0
"""Longest timer. The loop's clock, unlike `Clock`, stops while the machine is suspended."""

_LOAD_RETRY_SECONDS = 1.0

Forward = Callable[[Entry, bytes], Awaitable[bool]]
"""Stores a dead letter in its topic and removes it from this backlog. False if the topic is missing."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivered message. `body` is a serialized PubsubMessage."""

    ack_id: str
    attempt: int
    body: bytes


class Delivery:
    """The delivery of one subscription. Used on the loop's thread only."""

    def __init__(
        self,
        subscription: int,
        policy: Policy,
        *,
        storage: Storage,
        clock: Clock,
        forward: Forward,
        stored_up_to: int,
    ) -> None:
        self.subscription = subscription
        self._backlog = Backlog(policy, stored_up_to)
        self._storage = storage
        self._clock = clock
        self._forward = forward
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        self._react()

    @property
    def policy(self) -> Policy:
        """The current delivery policy."""
        return self._backlog.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._backlog.policy = policy

    def oldest(self) -> int:
        """The seq before which messages are expired."""
        return self._wall_us() - int(self.policy.retention * 1e6)

    def offer(self, seq: int, body: bytes) -> None:
        """Add a message that is on disk. Call `react` afterwards."""
        self._backlog.offer(seq, body)

    def react(self) -> None:
        """Wake waiting consumers after offers."""
        self._react()

    async def take(
        self, consumer: Consumer, *, limit: int = MAX_BATCH_MESSAGES, lease: float | None = None
    ) -> list[Delivered]:
        """Lease ready messages to `consumer`; the result may be empty. `lease` in seconds; default: the
        policy's."""
        # Share a burst evenly among the waiting consumers.
        share = -(-self._backlog.ready // (len(self._waiting) + 1))
        entries = self._backlog.take(
            consumer,
            now=self._clock.monotonic(),
            lease=self.policy.ack_deadline if lease is None else lease,
            limit=max(1, min(limit, share, MAX_BATCH_MESSAGES)),
            max_bytes=MAX_BATCH_BYTES,
            oldest=self.oldest(),
        )
        self._react()
        fetched: dict[int, bytes] = {}
        missing = [entry.seq for entry in entries if entry.body is None]
        if missing:
            fetched = await self._storage.bodies(missing)
        delivered: list[Delivered] = []
        for entry in entries:
            body = entry.body or fetched.get(entry.seq)
            entry.body = None
            if body is None:  # expired between the lease and the fetch
                self._backlog.acknowledge([entry.seq])
            else:
                delivered.append(
                    Delivered(ack_id(self.subscription, entry.seq, entry.attempts), entry.attempts, body)
                )
        return delivered

    async def wait_ready(self) -> None:
        """Return when messages may be ready. Cancel it to stop waiting."""
        if self._backlog.ready or self.closed:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future in self._waiting:
                self._waiting.remove(future)
            else:
                self._react()  # woken and cancelled at the same time: wake another one
            raise

    async def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Settle messages. Returns when it is on disk. Raises InvalidArgument for a malformed id."""
        seqs = [
            seq for subscription, seq, _ in map(parse_ack_id, ack_ids) if subscription == self.subscription
        ]
        settled = self._backlog.acknowledge(seqs)
        self._react()
        if settled:
            retain = self.policy.retain_acknowledged
            await self._storage.acknowledge(self.subscription, settled, retain=retain)

    def modify(self, changes: Sequence[tuple[str, float]]) -> None:
        """Set the remaining seconds of leases, by ack id; 0 returns the message."""
        now = self._clock.monotonic()
        parsed = [(parse_ack_id(text), lease) for text, lease in changes]
        for (subscription, seq, attempt), lease in parsed:
            if subscription == self.subscription:
                dead = self._backlog.modify(seq, attempt, lease, now=now)
                if dead is not None:
                    self._start(self._forward_dead(dead))
        self._react()

    async def flush(self) -> None:
        """Write the leases, attempts and backoffs that changed since the last call to disk."""
        entries = self._backlog.changes()
        if entries:
            await self._storage.remember(self.subscription, self._states(entries))

    async def seek(self, seq: int) -> None:
        """Acknowledge messages published before `seq`, and redeliver retained ones from `seq` on.

        Messages taken while the disk is written may be delivered twice.
        """
        await self.flush()
        await self._storage.seek(self.subscription, seq, retain=self.policy.retain_acknowledged)
        self._backlog = Backlog(self.policy, self._backlog.close())
        self._react()

    def drop_expired(self) -> None:
        """Drop expired messages, which the store has dropped too."""
        self._backlog.drop_before(self.oldest())
        self._react()

    def close(self) -> None:
        """Stop delivering. Waiting consumers return."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _react(self) -> None:
        """Act on the backlog's state: start a load, wake a waiting consumer, set the timer."""
        if self.closed:
            return
        backlog = self._backlog
        if backlog.wants_load():
            self._start(self._load(backlog, *backlog.begin_load()))
        while backlog.ready and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                break
        next_timer = backlog.next_timer()
        if next_timer is None:
            return
        wait = min(max(next_timer - self._clock.monotonic(), 0.0), _MAX_TIMER_SECONDS)
        due = self._loop.time() + wait
        if self._timer is None or self._timer.cancelled() or self._timer.when() > due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for entry in self._backlog.tick(self._clock.monotonic()):
            self._start(self._forward_dead(entry))
        self._react()

    async def _forward_dead(self, entry: Entry) -> None:
        backlog = self._backlog
        forwarded = False
        try:
            body = (await self._storage.bodies([entry.seq])).get(entry.seq)
            forwarded = body is None or await self._forward(entry, body)
        except Refusal as error:
            log.warning("broker.dead_letter_failed", subscription=self.subscription, error=str(error))
        finally:
            backlog.forwarded(entry, success=forwarded, now=self._clock.monotonic())
        self._react()

    async def _load(self, backlog: Backlog, after: int, stored_to: int) -> None:
        try:
            rows, complete = await self._storage.load(
                self.subscription, after, max_messages=WINDOW_MESSAGES, max_bytes=WINDOW_BYTES
            )
        except Refusal as error:
            log.error("broker.load_failed", subscription=self.subscription, error=str(error))
            backlog.abort_load()
            await asyncio.sleep(_LOAD_RETRY_SECONDS)
        else:
            wall = self._wall_us()
            backlog.end_load(
                [(_entry(row), (row.available_at - wall) / 1e6) for row in rows],
                loaded_to=None if complete else rows[-1].seq,
                stored_to=stored_to,
                now=self._clock.monotonic(),
            )
        self._react()

    def _states(self, entries: list[Entry]) -> list[DeliveryState]:
        now, wall = self._clock.monotonic(), self._wall_us()
        return [
            DeliveryState(
                seq=entry.seq,
                leased=entry.state is State.LEASED,
                attempts=entry.attempts,
                available_at=0 if entry.state is State.READY else wall + int((entry.until - now) * 1e6),
            )
            for entry in entries
        ]

    def _wall_us(self) -> int:
        return int(self._clock.now().timestamp() * 1e6)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = spawn(coroutine, f"delivery-{self.subscription}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _entry(row: StoredMessage) -> Entry:
    return Entry(
        seq=row.seq,
        size=len(row.body),
        body=row.body,
        state=State.LEASED if row.leased else State.READY,
        attempts=row.attempts,
    )
