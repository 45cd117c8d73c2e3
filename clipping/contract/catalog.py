"""The catalogue of recordings in the store: written by agents, read by the API.

    catalog/{agent}/index.json             names all pages; replaced after every scan
    catalog/{agent}/pages/{digest}.json.gz  created once, under the SHA-256 of its content

What an index names does not change, so that a reader never sees parts of two scans: it has all pages of one
index, or finds one missing, which was deleted long after a newer index was written, and starts again.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from clipping.contract.wire import Model, Moment
from clipping.errors import ClippingError

SCHEMA: Literal[1] = 1
MOST_ROOTS = 100
MOST_PAGES = 5000
"""Of one root."""
MAX_PAGE_BYTES = 4 << 20
"""Of a page that is not compressed. Names and folders make up a fraction of it."""
_DIGEST = r"^[0-9a-f]{32}$"

Digest = Annotated[str, StringConstraints(pattern=_DIGEST)]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class BrokenCatalog(ClippingError):
    """An object of a catalogue that can't be read: damaged, or of another release."""

    code = "BROKEN_CATALOG"


class CatalogRoot(Model):
    """One of the folders of `agent.nas_roots`, as its agent last saw it."""

    path: str
    scanned_at: Moment | None = None
    """When the last complete scan began; None: there was none yet."""
    checked_at: Moment
    """When the last scan was attempted."""
    available: bool
    """False: the entries are those of `scanned_at`."""
    reason: str | None = None
    """Why it is not available."""
    unavailable_since: Moment | None = None
    recordings: Count = 0
    folders: Count = 0
    truncated: bool = False
    """Whether it has more entries than a catalogue takes, or folders that the agent may not read."""
    pages: Annotated[tuple[Digest, ...], Field(max_length=MOST_PAGES)] = ()
    """In the order of their entries: by folder (its parts), then by name."""


class CatalogIndex(Model):
    """`index.json`."""

    schema_: Literal[1] = Field(SCHEMA, alias="schema")
    agent_id: str
    cluster: str
    generation: Count
    """Grows with every write."""
    written_at: Moment
    roots: Annotated[tuple[CatalogRoot, ...], Field(max_length=MOST_ROOTS)]

    model_config = Model.model_config | {"serialize_by_alias": True, "validate_by_name": True}

    def to_json(self) -> bytes:
        """UTF-8, absent values left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises `BrokenCatalog`."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise BrokenCatalog(f"the index: {error.errors(include_url=False)[0]['msg']}") from None


class Known(Model):
    """What a cut or a preview has found out about one recording."""

    at: Count
    """Its position in the page."""
    duration: float | None = None
    """Seconds."""
    codecs: tuple[str, ...]


class CatalogPage(Model):
    """Some recordings of one root, one value of each column for each."""

    folders: Annotated[tuple[tuple[str, Count], ...], Field(min_length=1)]
    """Folders below the root (empty: the root itself), and how many of the recordings are in each. A folder
    without recordings has 0, and one whose recordings take more than a page is in several."""
    names: tuple[str, ...]
    sizes: tuple[Count, ...]
    """Bytes."""
    modified: tuple[Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)], ...]
    """Milliseconds since 1970."""
    growing: tuple[Count, ...]
    """Positions of recordings that were written to in the seconds before the scan."""
    known: tuple[Known, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        count = len(self.names)
        columns = {len(self.sizes), len(self.modified), sum(number for _, number in self.folders)}
        if columns != {count} or any(at >= count for at in (*self.growing, *(one.at for one in self.known))):
            raise ValueError("its columns differ in length")
        return self

    def pack(self) -> tuple[str, bytes]:
        """Its digest and its compressed form. Equal pages have equal digests."""
        data = self.model_dump_json(exclude_none=True).encode()
        return _digest(data), gzip.compress(data, 6, mtime=0)

    @classmethod
    def unpack(cls, digest: str, packed: bytes) -> Self:
        """Raises `BrokenCatalog`."""
        unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            data = unpacking.decompress(packed, MAX_PAGE_BYTES)
        except zlib.error as error:
            raise BrokenCatalog(f"the page {digest}: {error}") from None
        if not unpacking.eof or _digest(data) != digest:
            raise BrokenCatalog(f"the page {digest} is damaged")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise BrokenCatalog(f"the page {digest}: {error.errors(include_url=False)[0]['msg']}") from None


def index_key(agent_id: str) -> str:
    return f"catalog/{agent_id}/index.json"


def pages_prefix(agent_id: str) -> str:
    return f"catalog/{agent_id}/pages/"


def page_key(agent_id: str, digest: str) -> str:
    return f"{pages_prefix(agent_id)}{digest}.json.gz"


def named_pages(roots: Sequence[CatalogRoot]) -> set[str]:
    """The digests of all pages of these roots."""
    return {digest for root in roots for digest in root.pages}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
