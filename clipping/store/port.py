"""The port to an object store. Adapters: `local`, `memory`, `gcs`. One contract suite holds them all.

A key is a relative path of `A-Za-z0-9._-` segments. A version is an opaque string that changes with every
write of the object (a generation in GCS). Every call has a time limit of its own and raises
`StoreUnavailable` when the store can't be reached, refuses us, or does not answer in time; when it does, the
write may or may not have happened: read back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

KEY = re.compile(r"(?=.{1,512}\Z)[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
MAX_SMALL_OBJECT = 1 << 20
"""Bytes that `get` and `replace` handle: coordination objects, never clips."""


@dataclass(frozen=True)
class ObjectInfo:
    """What a store knows of an object."""

    key: str
    size: int
    version: str
    content_type: str
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Some objects in the order of their keys, and the cursor of the next page, if there is one."""

    objects: tuple[ObjectInfo, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class SignedUrl:
    """A link that works for anybody until it expires."""

    url: str
    expires_at: datetime


class Store(Protocol):
    """Where clips and coordination objects live."""

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        """Upload the file `source` under a key that has no object yet; whole or not at all.

        The adapter may take `source` over: the file may be gone afterwards, and must not be written to.

        Raises `ObjectExists` when there is one already: it is unchanged. It may be this very upload, whose
        answer got lost on the way and which was tried again: compare the metadata, and adopt it if it is.
        """
        ...

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        """Compare-and-set: write `data` if the object's version is `expected` (None: if there is none).

        Raises `VersionMismatch` otherwise. For small objects: JSON, without metadata.
        """
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """What is under the key now; None when nothing is."""
        ...

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        """A small object's content, and the version that it is of; None when there is none."""
        ...

    def list(self, prefix: str, *, limit: int = 1000, cursor: str | None = None) -> Page:
        """Objects whose keys begin with `prefix`, by key. `cursor` is a previous page's `next_cursor`."""
        ...

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        """Remove; False when there was nothing. Raises `VersionMismatch` when not `expected`."""
        ...

    def sign(self, key: str, *, filename: str, seconds: float) -> SignedUrl:
        """A download link that a browser saves as `filename`. Does not look whether the object exists.

        Raises `SigningUnavailable` when the store can be used, but no link be signed.
        """
        ...

    def server_time(self) -> datetime:
        """The store's own clock."""
        ...

    def uri(self, key: str) -> str:
        """`gs://…`, `s3://…` or `file:///…`."""
        ...

    def path_name(self, key: str) -> str:
        """What `output_gcs_path` says: `gs://bucket/key` in GCS, the full key elsewhere."""
        ...


def check_key(key: str) -> str:
    """The key itself; `ValueError` when it is none (a bug of ours: callers' words are checked before)."""
    if not KEY.fullmatch(key):
        raise ValueError(f"not an object key: {key!r}")
    return key


def clip_key(hand_id: str, request_id: str, extension: str) -> str:
    """`clips/{hand_id}/{request_id}.{ext}`: create-only, never overwritten."""
    return check_key(f"clips/{hand_id}/{request_id}.{extension}")
