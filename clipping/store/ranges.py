"""Reading parts of recordings in buckets. Adapters: `gcs_ranges`, `s3_ranges`; `readers` knows which to use.

A key is any text. A state is what an object is until it is replaced: each read asks for the bytes of one
state, and never gets those of another.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from clipping.errors import SourceChanged, SourceUnavailable

CONNECT_SECONDS = 4.0
READ_SECONDS = 15.0
"""How long a read may make no progress."""
PIECE_BYTES = 1 << 20
MOST_TRIES = 6
"""Tries of one read that get no further."""
TRY_SECONDS = 40.0
"""A read that has got no further for so long is not tried again."""
_WAIT_SECONDS = 0.1
"""Before the second try; doubles."""

T = TypeVar("T")


@dataclass(frozen=True)
class ObjectState:
    """One version of an object."""

    size: int
    etag: str
    """Changes when it is replaced by other content: its ETag, or in Cloud Storage its generation."""
    modified: datetime


class Passing(Exception):
    """A failure that may not happen again. `failure`: what it is if it does."""

    def __init__(self, failure: SourceUnavailable) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Bucket(Protocol):
    """The objects of one bucket. Thread-safe; every call has a timeout, and is tried once.

    Raises `Passing`, and `SourceUnavailable` when the bucket is missing or denies access.
    """

    def stat(self, key: str) -> ObjectState:
        """Raises `SourceNotFound`."""
        ...

    def read(self, key: str, start: int, end: int, etag: str) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in pieces, or fewer if the connection breaks.

        Raises `SourceNotFound`, and `SourceChanged` when the object is not the one of this ETag any more.
        """
        ...

    def first(self, prefix: str) -> str | None:
        """The key of an object below a prefix; None when there is none."""
        ...

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        ...


class ObjectReader:
    """Reads one object, and tries again what may succeed then. Thread-safe. Raises as `Bucket`."""

    def __init__(self, uri: str, bucket: Bucket, key: str) -> None:
        self.uri, self.bucket = uri, bucket
        self._key = key

    def stat(self) -> ObjectState:
        """Its state now."""
        return tried(lambda: self.bucket.stat(self._key))

    def read(self, start: int, end: int, state: ObjectState) -> Iterator[bytes]:
        """All bytes from `start` up to `end` of this state."""
        at, tries, since = start, 0, time.monotonic()
        while at < end:
            try:
                for piece in self.bucket.read(self._key, at, end, state.etag):
                    at, tries, since = at + len(piece), 0, time.monotonic()
                    yield piece
                failure = SourceUnavailable(f"{self.uri} can't be read: the store broke the response off")
            except Passing as passing:
                failure = passing.failure
            if at > end:
                raise SourceChanged(f"{self.uri}: the store gave more than it was asked for")
            if at < end:
                tries += 1
                _wait(tries, since, failure)


def tried(call: Callable[[], T]) -> T:
    """What it returns, tried again while its failures may pass."""
    tries, since = 0, time.monotonic()
    while True:
        try:
            return call()
        except Passing as passing:
            tries += 1
            _wait(tries, since, passing.failure)


def _wait(tries: int, since: float, failure: SourceUnavailable) -> None:
    """Before another try; raises `failure` when there are to be no more."""
    if tries >= MOST_TRIES or time.monotonic() - since > TRY_SECONDS:
        raise failure
    time.sleep(_WAIT_SECONDS * 2 ** (tries - 1) * random.uniform(0.5, 1))


def changed(uri: str) -> SourceChanged:
    """The error when an object is not the one that was asked for any more."""
    return SourceChanged(f"{uri} was replaced while it was read: the clip is cut again")
