"""The stores of callers: most share one, those in `owners` have a place of their own in it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from clipping.config import Config
from clipping.store.layout import is_at
from clipping.store.open import open_store
from clipping.store.port import Store


@dataclass(frozen=True)
class Place:
    """Where an object of a caller is."""

    store: Store
    certain: bool
    """False: it was stored in neither of the caller's places as they are configured now. It is in `store` if
    it was moved there."""


@dataclass(frozen=True)
class _Opened:
    store: Store
    credentials: tuple[int, ...] | None
    """What the file with its key looked like."""


class OwnerStores:
    """Opens each store once, when it is first used, and again when the file with its key has changed.
    Thread-safe."""

    def __init__(self, config: Config, shared: Store) -> None:
        """`shared`: the store of all callers that have no place of their own."""
        self._config = config
        self.shared = shared
        self._lock = threading.Lock()
        self._opened: dict[str, _Opened] = {}

    def of(self, owner: str) -> Store:
        """The store of a caller's clips, shorts, reels and uploads.

        Raises `StoreUnavailable` when it can't be opened: this caller's only.
        """
        own = self._config.owners.get(owner)
        if own is None:
            return self.shared
        credentials = looks(own.credentials)
        with self._lock:
            opened = self._opened.get(owner)
            if opened is None or opened.credentials != credentials:
                opened = _Opened(open_store(self._config, owner=owner), credentials)
                self._opened[owner] = opened
            return opened.store

    def root(self, owner: str) -> str:
        """What the URIs of the caller's objects begin with; ends with a slash. Raises as `of`."""
        return self.of(owner).uri("x").removesuffix("x")

    def apart(self, owner: str) -> bool:
        """Whether the caller's store has credentials of its own, and so can fail alone."""
        own = self._config.owners.get(owner)
        return own is not None and own.credentials is not None

    def places(self, owner: str) -> tuple[Store, ...]:
        """Where objects of the caller can be: its own place, if any, and the shared one, where those are that
        it had before. Raises as `of`."""
        return (self.of(owner), self.shared) if owner in self._config.owners else (self.shared,)

    def holding(self, owner: str, uri: str, key: str) -> Place:
        """Where the caller's object is that was stored as `uri`.

        It is one of the caller's `places`, whatever the URI is. Raises as `of`.
        """
        root = self._config.storage.prefix
        if is_at(uri, root + key):
            return Place(self.shared, certain=True)
        own = self._config.owners.get(owner)
        return Place(self.of(owner), certain=own is not None and is_at(uri, root + own.prefix + key))


def looks(path: str | None) -> tuple[int, ...] | None:
    """What a file looks like: it differs once the file is replaced. None when there is none."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
