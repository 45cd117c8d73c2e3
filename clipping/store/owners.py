"""The stores of callers: most share one, those in `owners` have a place of their own in it."""

from __future__ import annotations

import threading

from clipping.config import Config
from clipping.store.open import open_store
from clipping.store.port import Store


class OwnerStores:
    """Opens each store once, when it is first used. Thread-safe."""

    def __init__(self, config: Config, shared: Store) -> None:
        """`shared`: the store of all callers that have no place of their own."""
        self._config = config
        self.shared = shared
        self._lock = threading.Lock()
        self._opened: dict[str, Store] = {}

    def of(self, owner: str) -> Store:
        """The store of a caller's clips, shorts, reels and uploads.

        Raises `StoreUnavailable` when it can't be opened: this caller's only.
        """
        if owner not in self._config.owners:
            return self.shared
        with self._lock:
            if owner not in self._opened:
                self._opened[owner] = open_store(self._config, owner=owner)
            return self._opened[owner]

    def root(self, owner: str) -> str:
        """What the URIs of the caller's objects begin with; ends with a slash. Raises as `of`."""
        return self.of(owner).uri("x").removesuffix("x")
