"""Opens the buckets that recordings may be in."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from clipping.config import Config, Source
from clipping.store.access import SourceObject
from clipping.store.owners import looks
from clipping.store.ranges import Bucket, ObjectReader, Passing

_URI = re.compile(r"(gs|s3)://([^/]+)/(.*)", re.DOTALL)


@dataclass(frozen=True)
class _Opened:
    bucket: Bucket
    credentials: tuple[int, ...] | None
    """What the file with a caller's key looked like."""


class SourceReaders:
    """Opens each bucket once, when it is first read from. Thread-safe."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._opened: dict[tuple[str, str], _Opened] = {}
        """By the bucket's URI, and what it is read as."""

    def of(self, found: SourceObject, *, owner: str) -> ObjectReader:
        """The reader of an object in a bucket that `source_object` allows to `owner`."""
        root, key = _split(found.uri)
        own = self._config.owners.get(owner) if found.source is None else None
        credentials = own.credentials if own is not None else None
        # Callers without a key of their own share connections: there may be many of them.
        own_name = owner if credentials is not None else ""
        reads_as = own_name if found.source is None else repr(found.source)
        # Opened again when the file with a caller's key has changed, as its store is.
        seen = looks(credentials)
        with self._lock:
            opened = self._opened.get((root, reads_as))
            if opened is None or opened.credentials != seen:
                opened = _Opened(self._open(root, found.source, owner), seen)
                self._opened[root, reads_as] = opened
            return ObjectReader(found.uri, opened.bucket, key)

    def try_out(self, source: Source) -> str:
        """Read a byte of an object there; what was done. Raises `SourceUnavailable`."""
        root, prefix = _split(source.prefix)
        bucket = self._open(root, source, "")
        try:
            key = bucket.first(prefix)
            state = None if key is None else bucket.stat(key)
            if key is None or state is None or not state.size:
                return "can be listed; there is nothing to read"
            b"".join(bucket.read(key, 0, 1, state.etag))
            return f"read from {key.removeprefix(prefix)}"
        except Passing as passing:
            raise passing.failure from None
        finally:
            bucket.close()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            places, self._opened = self._opened, {}
        for opened in places.values():
            opened.bucket.close()

    def _open(self, root: str, source: Source | None, owner: str) -> Bucket:
        scheme, name = root.split("://")
        own = self._config.owners.get(owner) if source is None else None
        setting = "storage" if source is None else f"the entry of sources for {source.prefix}"
        if own is not None and own.credentials is not None:
            setting = f"owners.{owner}"
        stated = source if source is not None else own
        key = Path(stated.credentials) if stated is not None and stated.credentials is not None else None
        # The libraries of the clouds are imported lazily: only one of them is needed, if any.
        if scheme == "gs":
            from clipping.store.gcs_ranges import GcsRanges

            return GcsRanges(name, credentials=key, setting=setting)
        from clipping.store.s3_client import Endpoint, endpoint_of
        from clipping.store.s3_ranges import S3Ranges

        storage = self._config.storage
        place = endpoint_of(storage) if storage.backend == "s3" else Endpoint()
        place = replace(place, credentials=key or place.credentials)
        if source is not None and source.endpoint is not None:
            place = replace(place, url=source.endpoint)
        if source is not None and source.region is not None:
            place = replace(place, region=source.region)
        return S3Ranges(name, place, setting=setting)


def _split(uri: str) -> tuple[str, str]:
    """The bucket's URI, and the key. Keys are taken literally."""
    found = _URI.fullmatch(uri)
    assert found is not None, "the contract checks URIs"
    return f"{found[1]}://{found[2]}", found[3]
