"""Handles requests without a sign of life, and removes expired rows. May run on any number of instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from api.db import clips, idempotency, outbox, overdue
from api.db.engine import Database
from api.db.outbox import REQUESTS, Entry
from api.db.tables import Clip
from api.db.transition import Transition, transition
from api.domain import request_state as rules
from api.messaging.janitor import folders_of
from api.messaging.outbox_publisher import OutboxPublisher
from clipping.clock import Clock
from clipping.config import Config
from clipping.contract.cluster import cancel_key
from clipping.errors import StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import Store

BATCH = 100
CLEAN_BATCH = 500
MOST_BATCHES = 100
"""The time limit of one run, so that other tasks are not delayed."""
MARKS_KEPT = timedelta(days=31)
"""A mark must be kept longer than its message, which Pub/Sub keeps for at most this long."""

log = get_logger(__name__)


class Sweeper:
    """Two periodic tasks: `sweep`, which runs often, and `clean`."""

    def __init__(
        self,
        config: Config,
        *,
        database: Database,
        outbox: OutboxPublisher,
        store: Store,
        clock: Clock,
        held_up: Callable[[], bool],
    ) -> None:
        """`held_up`: whether it is known that no agent takes requests now. May take a second."""
        self._lost_after = timedelta(seconds=config.limits.lost_after_seconds)
        self._tries = config.limits.lost_tries
        self._keep = timedelta(days=config.api.keep_days)
        self._database = database
        self._outbox = outbox
        self._store = store
        self._folders = folders_of(store)
        self._clock = clock
        self._held_up = held_up

    def sweep(self) -> int:
        """Publish silent requests again, or end them. Returns their number. Raises `QueueUnavailable`."""
        return _until_fewer(BATCH, self._sweep_batch)

    def clean(self) -> int:
        """Remove old requests and idempotency keys. Returns their number. Raises `QueueUnavailable`."""
        return _until_fewer(CLEAN_BATCH, self._clean_batch)

    def _sweep_batch(self) -> int:
        now = self._clock.now()
        before = now - self._lost_after
        with self._database.read() as session:
            if not overdue.any_silent(session, before=before):
                return 0
        held_up = self._held_up()
        settled: list[tuple[str, rules.Verdict, Transition | None]] = []
        with self._database.write() as session:
            for clip in overdue.claim_silent(session, before=before, limit=BATCH):
                settled.append((clip.request_id, *self._settle(session, clip, now, held_up=held_up)))
        for request_id, verdict, ended in settled:
            log.warning("request.silent", request_id=request_id, verdict=verdict)
            if ended is not None:
                ended.log("silence")
        if settled:
            self._outbox.wake()
        return len(settled)

    def _clean_batch(self) -> int:
        now = self._clock.now()
        before = now - self._keep
        with self._database.write() as session:
            keys = idempotency.forget(session, before=now - idempotency.KEPT, limit=CLEAN_BATCH)
            gone = overdue.forget_finished(
                session,
                before=before,
                marked_before=min(before, now - MARKS_KEPT),
                folders=self._folders,
                limit=CLEAN_BATCH,
            )
        self._unmark(gone.marked)
        if keys or gone.count:
            log.info("sweeper.cleaned", requests=gone.count, keys=keys)
        return max(keys, gone.count)

    def _settle(
        self, session: Session, clip: Clip, now: datetime, *, held_up: bool
    ) -> tuple[rules.Verdict, Transition | None]:
        before = clips.state_of(clip)
        verdict = rules.after_silence(
            before,
            cancelled=clip.cancel_requested_at is not None,
            tries=clip.lost_count,
            tries_allowed=self._tries,
            held_up=held_up,
        )
        named = {"request_id": clip.request_id, "hand_id": clip.hand_id}
        match verdict:
            case "cancel":
                return verdict, transition(clip, rules.cancelled(**named, now=now), now=now)
            case "give up":
                silent = self._lost_after.total_seconds() * (clip.lost_count + 1)
                end = rules.lost(**named, tries=clip.lost_count, silent_seconds=silent, now=now)
                return verdict, transition(clip, end, now=now)
            case "publish":
                clip.lost_count += 1
                clip.last_sign_at = now
                clips.store_state(clip, before, rules.published_again(before), now=now)
                payload, attributes = clips.message_of(clip).to_json(), clips.attributes_of(clip)
                entry = Entry(REQUESTS, clip.request_id, payload, attributes, now)
                outbox.add(session.connection(), [entry], due=now)
            case "wait":
                # Restart its time limit. It is not published again, as its message is still queued.
                clip.last_sign_at = now
            case "leave":
                pass
        return verdict, None

    def _unmark(self, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            try:
                self._store.delete(cancel_key(request_id))
            except StoreUnavailable as error:
                log.info("sweeper.mark_left", request_id=request_id, reason=error.message)


def _until_fewer(batch: int, do: Callable[[], int]) -> int:
    """Repeat while batches are full. Returns the sum."""
    total = 0
    for _ in range(MOST_BATCHES):
        done = do()
        total += done
        if done < batch:
            break
    return total
