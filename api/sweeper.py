"""Looks after requests that fell silent, and removes what is kept no longer. Any number of instances may."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from api import rules
from api.db import clips, idempotency, overdue
from api.db.engine import Database
from api.db.outbox import Entry
from api.db.tables import Clip
from api.dispatch import Dispatcher
from api.repeats import KEPT
from clipping.clock import Clock
from clipping.cluster import cancel_key
from clipping.config import Config
from clipping.errors import QueueUnavailable, StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import Store

LOOK_SECONDS = 15.0
"""How often it looks, or four times within `limits.lost_after_seconds` where that is less."""
BATCH = 100
CLEAN_SECONDS = 600.0
"""How often old rows are removed."""
CLEAN_BATCH = 500
MARKS_KEPT = timedelta(days=31)
"""A mark has to outlive its message, and Pub/Sub keeps no message for longer."""

log = get_logger(__name__)


class Sweeper:
    """Owns the thread `sweeper`. `sweep` and `clean` do one turn each, for whoever holds the clock."""

    def __init__(
        self, config: Config, *, database: Database, dispatcher: Dispatcher, store: Store, clock: Clock
    ) -> None:
        self._lost_after = timedelta(seconds=config.limits.lost_after_seconds)
        self._tries = config.limits.lost_tries
        self._keep = timedelta(days=config.api.keep_days)
        self._look_seconds = min(LOOK_SECONDS, config.limits.lost_after_seconds / 4)
        self._database = database
        self._dispatcher = dispatcher
        self._store = store
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the turn in hand."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def sweep(self) -> int:
        """Publish silent requests again, or end them; how many were touched. Raises `QueueUnavailable`."""
        now = self._clock.now()
        before = now - self._lost_after
        with self._database.read() as session:
            if not overdue.any_silent(session, before=before):
                return 0
        told: list[tuple[str, rules.Verdict]] = []
        with self._database.write() as session:
            for clip in overdue.claim_silent(session, before=before, limit=BATCH):
                told.append((clip.request_id, self._settle(session, clip, now)))
        for request_id, verdict in told:
            log.warning("request.silent", request_id=request_id, verdict=verdict)
        if told:
            self._dispatcher.wake()
        return len(told)

    def clean(self) -> int:
        """Remove old requests and idempotency keys, a batch of each; how many. Raises `QueueUnavailable`."""
        now = self._clock.now()
        before = now - self._keep
        with self._database.write() as session:
            keys = idempotency.forget(session, before=now - KEPT, limit=CLEAN_BATCH)
            gone = overdue.forget_finished(
                session, before=before, marked_before=min(before, now - MARKS_KEPT), limit=CLEAN_BATCH
            )
        self._unmark(gone.marked)
        if keys or gone.count:
            log.info("sweeper.cleaned", requests=gone.count, keys=keys)
        return keys + gone.count

    def _settle(self, session: Session, clip: Clip, now: datetime) -> rules.Verdict:
        before = clips.state_of(clip)
        verdict = rules.after_silence(
            before,
            cancelled=clip.cancel_requested_at is not None,
            tries=clip.lost_count,
            tries_allowed=self._tries,
        )
        named = {"request_id": clip.request_id, "hand_id": clip.hand_id}
        match verdict:
            case "cancel":
                end = rules.cancelled(**named, now=now)
                clips.store_state(clip, before, rules.merge(before, end), now=now)
            case "give up":
                silent = self._lost_after.total_seconds() * (clip.lost_count + 1)
                end = rules.lost(**named, tries=clip.lost_count, silent_seconds=silent, now=now)
                clips.store_state(clip, before, rules.merge(before, end), now=now)
            case "publish":
                clip.lost_count += 1
                clip.last_sign_at = now
                clips.store_state(clip, before, rules.published_again(before), now=now)
                data = clips.message_of(clip).to_json()
                entry = Entry(clip.request_id, data, clips.attributes_of(clip))
                self._dispatcher.add(session, entry, now=now, at_once=True)
            case "leave":
                pass
        return verdict

    def _unmark(self, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            try:
                self._store.delete(cancel_key(request_id))
            except StoreUnavailable as error:
                log.info("sweeper.mark_left", request_id=request_id, reason=error.message)

    def _run(self) -> None:
        clean_at = self._clock.monotonic()
        while not self._stopping.wait(self._look_seconds * random.uniform(0.8, 1.2)):
            try:
                while self.sweep() == BATCH and not self._stopping.is_set():
                    pass
                if self._clock.monotonic() >= clean_at:
                    while self.clean() >= CLEAN_BATCH and not self._stopping.is_set():
                        pass
                    clean_at = self._clock.monotonic() + CLEAN_SECONDS
            except QueueUnavailable as error:
                log.warning("sweeper.database_away", reason=error.message)
            except Exception:  # a thread's root: the next turn must come whatever this one ran into
                log.exception("sweeper.turn_failed")
