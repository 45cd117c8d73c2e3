"""The interface of an object store. Adapters: `local`, `memory`, `gcs`, `s3`. One contract test suite covers
them all.

A key is a relative path of `A-Za-z0-9._-` segments. A version is an opaque string that changes with every
write of the object (a generation in GCS, in S3 an ETag). Every call has a timeout and raises
`StoreUnavailable` when the store can't be reached, denies access or does not respond in time. A write may
then have happened or not: read back.
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
"""The maximum size in bytes for `get` and `replace`: coordination objects, never clips."""


@dataclass(frozen=True)
class ObjectInfo:
    """The description of a stored object."""

    key: str
    size: int
    version: str
    content_type: str
    created_at: datetime = field(compare=False)
    """When this version was written, by the store's clock. A store may round it to a second, and
    differently in the response to the write."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Objects in the order of their keys, and the cursor of the next page, if any: that one may be empty."""

    objects: tuple[ObjectInfo, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class SignedUrl:
    """A link that works without authentication until it expires."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class UploadTarget:
    """Where a client puts a file: with PUT, these headers, exactly the size that was signed, and once."""

    url: str
    headers: Mapping[str, str]
    expires_at: datetime
    resumable: bool = False
    """Whether an upload that was broken off can go on, by the protocol of Cloud Storage."""


class Store(Protocol):
    """A store for clips and coordination objects."""

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        """Upload the file `source` under a key that has no object yet. Atomic.

        The adapter may take ownership of `source`: the file may no longer exist afterwards, and must not be
        written to.

        Raises `ObjectExists` when the key has an object, which is unchanged. It can come from this very
        upload, if the response was lost and the upload was retried: compare the metadata to find out.
        """
        ...

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        """Compare-and-set: write `data` if the object's version is `expected` (None: if there is none).

        Raises `VersionMismatch` otherwise. For small objects: JSON, without metadata.
        """
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """The description of the key's object; None when there is none."""
        ...

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        """A small object's content and matching description; None when there is none."""
        ...

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        """Write an object's content, of any size, to the file `target`, and return its description; None when
        there is none. After a failure `target` may contain a part of it."""
        ...

    def list(self, prefix: str, *, limit: int = 1000, cursor: str | None = None) -> Page:
        """Objects whose keys start with `prefix`, sorted by key. `cursor` is a previous page's
        `next_cursor`."""
        ...

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        """Delete the object; False when there is none. Raises `VersionMismatch` when it is not `expected`."""
        ...

    def sign(self, key: str, *, filename: str, seconds: float) -> SignedUrl:
        """A download link that a browser saves as `filename`. Does not check whether the object exists.

        Raises `SigningUnavailable` when the store is available but links can't be signed.
        """
        ...

    def sign_upload(
        self, key: str, *, size: int, content_type: str, seconds: float, origin: str | None = None
    ) -> UploadTarget:
        """Where a client uploads the object itself, without authentication. The store refuses another size or
        type, and a second object.

        `origin`: that of the web page that will upload, if it is one. Raises `SigningUnavailable` and
        `StoreUnavailable`.
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
