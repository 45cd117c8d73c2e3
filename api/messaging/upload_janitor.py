"""Deletes old uploads from a folder, which has no lifecycle rules. May run on any number of instances."""

from __future__ import annotations

from datetime import datetime

from api.domain.retention import Retention
from clipping.clock import Clock
from clipping.config import Config
from clipping.errors import StoreUnavailable, VersionMismatch
from clipping.log import get_logger
from clipping.store.layout import UPLOADS
from clipping.store.local import LocalStore
from clipping.store.owners import OwnerStores
from clipping.store.port import Store

SWEEP_SECONDS = 10.0
"""The time limit of one sweep, so that other tasks are not delayed."""
_PAGE = 200

log = get_logger(__name__)


class UploadJanitor:
    """A periodic task: `sweep`."""

    def __init__(self, config: Config, stores: OwnerStores, clock: Clock) -> None:
        self._config, self._stores, self._clock = config, stores, clock
        self._life = Retention.of(config).clips

    def sweep(self) -> int:
        """Delete what was uploaded `storage.retention_days` ago or earlier, and what dead processes left of
        uploads; returns how many objects."""
        shared = self._stores.shared
        if not isinstance(shared, LocalStore) or shared.network is not None:
            return 0
        deadline = self._clock.monotonic() + SWEEP_SECONDS
        deleted = 0
        try:
            shared.tidy()
            for store in [shared, *(self._stores.of(owner) for owner in self._config.owners)]:
                deleted += self._delete(store, self._clock.now() - self._life, deadline)
        except (StoreUnavailable, VersionMismatch) as error:
            log.warning("janitor.uploads_left", reason=error.message)
        if deleted:
            log.info("janitor.uploads_deleted", count=deleted)
        return deleted

    def _delete(self, store: Store, until: datetime, deadline: float) -> int:
        deleted, cursor = 0, None
        while self._clock.monotonic() < deadline:
            page = store.list(f"{UPLOADS}/", limit=_PAGE, cursor=cursor)
            for info in page.objects:
                if info.created_at <= until:
                    deleted += store.delete(info.key, expected=info.version)
            cursor = page.next_cursor
            if cursor is None:
                break
        return deleted
