"""`GET /v1/recordings`: its parameters, and cursors."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.http.query_params import parse_limit, single_values
from clipping.contract.recording import checked_prefix
from clipping.errors import InvalidRequest

USUALLY_LISTED = 100
MOST_BYTES, MOST_WORDS = 1024, 20
"""Of `q`. Each word is looked for in the path of every recording."""
_WRONG = "cursor must be a next_cursor of the same list"


@dataclass(frozen=True)
class Place:
    """A recording in the order of a list."""

    root: str
    folder: str
    name: str


@dataclass(frozen=True)
class CatalogQuery:
    """What is listed: a folder, or all below it that has some words in its path."""

    q: str
    """Empty: a folder."""
    root: str | None
    """None: all roots, or the only one."""
    prefix: str
    """A folder below the root; empty: the root itself."""
    limit: int
    behind: Place | None
    """The recording after which the page begins."""


def parse_catalog(given: Mapping[str, Sequence[str]]) -> CatalogQuery:
    """Raises `InvalidRequest`."""
    values = single_values(given, ("q", "root", "prefix", "limit", "cursor"))
    for name, value in values.items():
        if "\0" in value:
            raise InvalidRequest(f"{name} must not contain NUL", field=name)
    q = " ".join(values.get("q", "").split())
    if len(q.encode()) > MOST_BYTES:
        raise InvalidRequest(f"q must be at most {MOST_BYTES} bytes long", field="q")
    if len(q.split()) > MOST_WORDS:
        raise InvalidRequest(f"q must have at most {MOST_WORDS} words", field="q")
    root = posixpath.normpath(values["root"]) if "root" in values else None
    prefix = checked_prefix(values.get("prefix", ""))
    query = CatalogQuery(q, root, prefix, parse_limit(values.get("limit"), USUALLY_LISTED), None)
    if "cursor" not in values:
        return query
    return CatalogQuery(q, root, prefix, query.limit, _place(values["cursor"], query))


def cursor_behind(place: Place, query: CatalogQuery) -> str:
    """The cursor of the page after this recording, for the same list."""
    content = [place.root, place.folder, place.name, _digest(query)]
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _place(cursor: str, query: CatalogQuery) -> Place:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        root, folder, name, digest = json.loads(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise InvalidRequest(_WRONG, field="cursor") from None
    if digest != _digest(query) or not all(isinstance(part, str) for part in (root, folder, name)):
        raise InvalidRequest(_WRONG, field="cursor")
    return Place(root, folder, name)


def _digest(query: CatalogQuery) -> str:
    parts = [query.q, query.root, query.prefix]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
