"""Deletes the objects of requests that have expired. May run on any number of instances.

Vertical clips on every store, and on a folder, which has no lifecycle rules, clips and reels too. What it
can't delete it tries again later, and a bucket's rule deletes it after a day at the latest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from api.db import expiry
from api.db.engine import Database
from api.db.expiry import Expired
from api.domain.retention import Retention
from clipping.clock import Clock
from clipping.errors import StoreUnavailable, VersionMismatch
from clipping.log import get_logger
from clipping.store.layout import FOLDERS, Folder, is_of_request, key_in
from clipping.store.local import LocalStore
from clipping.store.owners import OwnerStores
from clipping.store.port import ObjectInfo, Store

BATCH = 50
SWEEP_SECONDS = 10.0
"""The time limit of one sweep, so that other tasks are not delayed."""
MOST_FAILURES = 3
"""A store that fails this often in a sweep is not asked again before the next one."""
CLAIM = timedelta(minutes=5)
"""Longer than a sweep takes. If this process dies, another one continues then."""
RETRY = timedelta(minutes=10)
_OBJECTS = 20
"""More than a request has."""

log = get_logger(__name__)


def folders_of(store: Store) -> tuple[Folder, ...]:
    """The folders that the janitor looks after."""
    if not isinstance(store, LocalStore):
        return ("shorts",)
    return FOLDERS if store.network is None else ()  # on a network file system nothing can be deleted


class Janitor:
    """A periodic task: `sweep`. `count` is called with how many requests' objects were deleted, and how many
    could not be deleted."""

    def __init__(
        self,
        retention: Retention,
        *,
        database: Database,
        stores: OwnerStores,
        clock: Clock,
        count: Callable[[int, int], None] = lambda deleted, failed: None,
    ) -> None:
        self._retention = retention
        self._database = database
        self._stores = stores
        self._folders = folders_of(stores.shared)
        self._clock = clock
        self._count = count

    def sweep(self) -> int:
        """Delete what has expired; returns for how many requests. Raises `QueueUnavailable`."""
        deadline = self._clock.monotonic() + SWEEP_SECONDS
        deleted = 0
        failures: Counter[str | None] = Counter()
        while failures[None] < MOST_FAILURES and self._clock.monotonic() < deadline:
            claimed = self._claim()
            if not claimed:
                break
            deleted += self._delete_batch(claimed, deadline, failures)
        if deleted or failures.total():
            log.info("janitor.swept", deleted=deleted, failed=failures.total())
            self._count(deleted, failures.total())
        return deleted

    def _claim(self) -> Sequence[Expired]:
        now = self._clock.now()
        cutoffs = self._cutoffs(now)
        with self._database.read() as session:
            if not expiry.is_any(session, cutoffs, now=now):
                return ()
        with self._database.write() as session:
            return expiry.claim(session, cutoffs, now=now, until=now + CLAIM, limit=BATCH)

    def _cutoffs(self, now: datetime) -> Mapping[Folder, datetime]:
        return {folder: at for folder, at in self._retention.cutoffs(now).items() if folder in self._folders}

    def _delete_batch(
        self, claimed: Sequence[Expired], deadline: float, failures: Counter[str | None]
    ) -> int:
        """For how many requests objects were deleted. `failures` counts those of each store that can fail
        alone, by its owner, and with None those of all others."""
        gone: list[str] = []
        failed: list[str] = []
        untried: list[str] = []
        for each in claimed:
            apart = each.owner if self._stores.apart(each.owner) else None
            if failures[None] == MOST_FAILURES or self._clock.monotonic() >= deadline:
                untried.append(each.request_id)
            elif failures[apart] == MOST_FAILURES:
                failed.append(each.request_id)  # later, so that it is not in the way of the others
            elif self._delete(each):
                gone.append(each.request_id)
            else:
                failures[apart] += 1
                failed.append(each.request_id)
        now = self._clock.now()
        with self._database.write() as session:
            expiry.mark_deleted(session, gone, now=now)
            expiry.put_off(session, failed, until=now + RETRY)
            expiry.put_off(session, untried, until=now)
        return len(gone)

    def _delete(self, expired: Expired) -> bool:
        """Delete the request's objects. False if one may be left; never raises for the store."""
        key = key_in(expired.folder, expired.request_id, expired.hand_id, "x").removesuffix(".x")
        try:
            for store in self._stores.places(expired.owner):
                for info in store.list(key, limit=_OBJECTS).objects:
                    if _is_of(info, key, expired):
                        store.delete(info.key, expected=info.version)
        except (StoreUnavailable, VersionMismatch) as error:
            log.warning("janitor.left", request_id=expired.request_id, reason=error.message)
            return False
        return True


def _is_of(info: ObjectInfo, key: str, expired: Expired) -> bool:
    """Whether it is the request's video, or what lies beside it."""
    owner = info.metadata.get("request_id", expired.request_id)
    return is_of_request(info.key, key) and owner == expired.request_id
