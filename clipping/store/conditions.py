"""Finds out whether a store refuses writes whose condition does not hold, on which leases and clips rely."""

from __future__ import annotations

from clipping.errors import StoreUnavailable, VersionMismatch
from clipping.store.port import Store

_CONTENT = b"{}"
_NO_VERSION = "1"
"""No object's version: neither a generation nor an ETag."""


def check_conditions(store: Store, key: str) -> None:
    """Write, read and remove an object, and try the writes that the store has to refuse meanwhile.

    Raises `StoreUnavailable` when it does not refuse them, or does not keep what is written.
    """
    info = store.replace(key, _CONTENT, expected=None)
    try:
        _must_refuse(store, key, None, "If-None-Match: *")
        _must_refuse(store, key, _NO_VERSION, "If-Match")
        read = store.get(key)
    finally:
        store.delete(key)
    if read is None or read[0] != _CONTENT or read[1].version != info.version:
        raise StoreUnavailable("an object could not be read right after it was written")
    if store.stat(key) is not None:
        raise StoreUnavailable("an object was still there right after it was removed")


def _must_refuse(store: Store, key: str, expected: str | None, condition: str) -> None:
    try:
        store.replace(key, _CONTENT, expected=expected)
    except VersionMismatch:
        return
    raise StoreUnavailable(
        f"the store ignores the condition of a write ({condition}): two agents could lead at once, and a "
        "clip could be overwritten; use a store with conditional writes, or a newer version of this one"
    )
