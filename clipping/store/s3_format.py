"""How an S3-compatible store keeps what the interface asks for. Pure.

A version is an ETag, which such stores compare in one step with a write. It only depends on the content:
after the writes A, B, A the first one is back. So whatever is replaced is stored with white space after it
that encodes a random number: JSON's readers ignore it, and `Description` says how much to cut off. Clips and
segments are stored as they are; their random number is in the metadata, and becomes a part of the version.

Metadata of an object is limited to 2 KB of ASCII, in names that proxies may refuse (`request_id`). It is
stored as one JSON value; pairs beyond `MAX_INLINE` are in an object beside it, the facts.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

MAX_INLINE = 1_600
"""Bytes of the JSON in an object's metadata. AWS allows 2,048 for all names and values."""
PADDING = 65
"""Bytes after the content of what is replaced: a line break and 64 bits."""
_PADDING_NAME = "clipping-padding"
_NONCE_NAME = "clipping-nonce"
_PAIRS_NAME = "clipping-metadata"
_FACTS_NAME = "clipping-facts"
_ROLE_NAME = "clipping-role"


@dataclass(frozen=True)
class Description:
    """What an object's metadata says about it."""

    padding: int
    nonce: str
    pairs: Mapping[str, str]
    facts: str | None
    """The name of the object with all pairs, in the same folder; None: `pairs` are all."""
    is_facts: bool

    @classmethod
    def of(cls, stored: Mapping[str, str]) -> Description:
        """Parse an object's metadata; objects of other programs have none of ours."""
        padding = stored.get(_PADDING_NAME, "")
        return cls(
            padding=int(padding) if padding.isdecimal() else 0,
            nonce=stored.get(_NONCE_NAME, ""),
            pairs=parse_pairs(stored.get(_PAIRS_NAME, "")),
            facts=stored.get(_FACTS_NAME) or None,
            is_facts=stored.get(_ROLE_NAME) == "facts",
        )


def padded(data: bytes) -> bytes:
    """A document as it is stored: its ETag differs from that of all others with the same content."""
    bits = secrets.randbits(64)
    return data + b"\n" + bytes(0x20 if bits >> bit & 1 else 0x09 for bit in range(64))


def document_metadata() -> dict[str, str]:
    """The metadata of a document that is stored as `padded` gives it."""
    return {_PADDING_NAME: str(PADDING)}


def facts_metadata() -> dict[str, str]:
    """The metadata of an object with facts, which is hidden from listings."""
    return {_ROLE_NAME: "facts"}


def new_nonce() -> str:
    """What distinguishes two objects with the same content."""
    return secrets.token_hex(8)


def object_metadata(pairs: Mapping[str, str], nonce: str, facts: str | None) -> dict[str, str]:
    """The metadata of an object that is created: as many pairs as there is room for, the short ones first."""
    stored = {_NONCE_NAME: nonce}
    if facts is not None:
        stored[_FACTS_NAME] = facts
    kept: dict[str, str] = {}
    for name, value in sorted(pairs.items(), key=lambda pair: len(pair[1])):
        if len(_json({**kept, name: value})) > MAX_INLINE:
            break
        kept[name] = value
    if kept:
        stored[_PAIRS_NAME] = _json(kept)
    return stored


def facts_of(pairs: Mapping[str, str]) -> bytes | None:
    """The content of the facts object; None when the object's own metadata has room for all."""
    text = _json(pairs)
    return text.encode() if len(text) > MAX_INLINE else None


def facts_keys(key: str, facts: bytes) -> tuple[str, str]:
    """Where an object's facts go: beside it, `{name}.json`; and where other facts are there already, of an
    upload that never ended, a name of their own."""
    stem = key.rpartition(".")[0] if "." in key.rpartition("/")[2] else key
    return f"{stem}.json", f"{stem}-{hashlib.sha256(facts).hexdigest()[:16]}.json"


def parse_pairs(text: str | bytes) -> dict[str, str]:
    """Pairs from JSON; none from anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def version_of(etag: str, nonce: str) -> str:
    """The version of an object with this ETag."""
    return etag.strip('"') + (f".{nonce}" if nonce else "")


def etag_of(version: str) -> str:
    """The ETag, quoted, that an object of this version has."""
    return '"' + version.partition(".")[0] + '"'


def has_nonce(version: str) -> bool:
    """Whether the ETag alone does not identify this version."""
    return "." in version


def _json(pairs: Mapping[str, str]) -> str:
    return json.dumps(dict(pairs), separators=(",", ":"))
