"""Random histories: the local folder answers as the store in memory does, whatever happens in which order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.errors import ObjectExists, VersionMismatch
from clipping.store.local import LocalStore
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo, Store

# No key is another's folder here: that is the one thing that a folder can't do.
_KEYS = st.sampled_from(["a-x", "a.x", "a/x", "a/y/z", "a0", "b", "b.json", "b-/c"])
_WHICH = st.sampled_from(["none", "current", "stale"])
_STEPS = st.one_of(
    st.tuples(st.just("create"), _KEYS, st.binary(max_size=20)),
    st.tuples(st.just("replace"), _KEYS, st.binary(max_size=20), _WHICH),
    st.tuples(st.just("delete"), _KEYS, _WHICH),
    st.tuples(st.just("get"), _KEYS),
    st.tuples(st.just("list"), st.sampled_from(["", "a", "a/", "b", "b."]), st.integers(1, 4)),
)


class _Player:
    """Plays steps on a store and returns what can be compared: all but versions and times."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._versions: dict[str, list[str]] = {}

    def play(self, step: tuple[Any, ...]) -> object:
        kind, *arguments = step
        action: Callable[..., object] = getattr(self, f"_{kind}")
        try:
            return action(*arguments)
        except (ObjectExists, VersionMismatch) as error:
            return type(error)

    def _create(self, key: str, data: bytes) -> object:
        source = self._folder / "source"
        source.write_bytes(data)
        metadata = {"sum": str(sum(data))}
        return self._comparable(self._store.create(key, source, content_type="video/mp4", metadata=metadata))

    def _replace(self, key: str, data: bytes, which: str) -> object:
        return self._comparable(self._store.replace(key, data, expected=self._version(key, which)))

    def _delete(self, key: str, which: str) -> object:
        return self._store.delete(key, expected=self._version(key, which))

    def _get(self, key: str) -> object:
        found = self._store.get(key)
        stat = self._store.stat(key)
        assert (found[1] if found else None) == stat
        return found and (found[0], self._comparable(found[1]))

    def _list(self, prefix: str, limit: int) -> object:
        listed, cursor = [], None
        while True:
            page = self._store.list(prefix, limit=limit, cursor=cursor)
            listed += [(info.key, info.size) for info in page.objects]
            cursor = page.next_cursor
            if cursor is None:
                return listed

    def _version(self, key: str, which: str) -> str | None:
        if which == "none":
            return None
        if which == "current":
            info = self._store.stat(key)
            return info.version if info else None
        return next(iter(self._versions.get(key, [])), "1")

    def _comparable(self, info: ObjectInfo) -> object:
        self._versions.setdefault(info.key, []).append(info.version)
        return (info.key, info.size, info.content_type, dict(info.metadata))


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEPS, max_size=30))
def test_local_store_behaves_like_memory_store(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local = _Player(LocalStore(Path(folder, "store"), public_url="http://x"), Path(folder))
        memory = _Player(MemoryStore(), Path(folder))
        for step in steps:
            assert local.play(step) == memory.play(step), step
