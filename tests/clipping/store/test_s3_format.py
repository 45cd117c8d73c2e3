"""How metadata and versions are kept in an S3-compatible store."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from clipping.store.s3_format import (
    MAX_INLINE,
    PADDING,
    Description,
    document_metadata,
    etag_of,
    facts_keys,
    facts_of,
    object_metadata,
    padded,
    parse_pairs,
    version_of,
)

_PAIRS = st.dictionaries(st.text("abc_", min_size=1, max_size=12), st.text(max_size=900), max_size=8)


@given(_PAIRS)
def test_metadata_fit_and_are_complete_with_the_facts(pairs: dict[str, str]) -> None:
    facts = facts_of(pairs)
    stored = object_metadata(pairs, "0123456789abcdef", "r.json" if facts else None)
    assert sum(len(name) + len(value) for name, value in stored.items()) <= 2048
    assert all(value.isascii() and value.isprintable() for value in stored.values())
    found = Description.of(stored)
    assert (found.nonce, found.padding, found.is_facts) == ("0123456789abcdef", 0, False)
    if facts is None:
        assert found.facts is None
        assert found.pairs == pairs
    else:
        assert found.facts == "r.json"
        assert found.pairs.items() <= pairs.items()
        assert parse_pairs(facts) == pairs


def test_the_short_pairs_stay_with_the_object() -> None:
    pairs = {"clip": "x" * MAX_INLINE, "request_id": "r", "spec_hash": "00ff"}
    assert Description.of(object_metadata(pairs, "0", "r.json")).pairs == {
        "request_id": "r",
        "spec_hash": "00ff",
    }


@given(st.binary(max_size=50))
def test_a_document_is_stored_with_white_space(data: bytes) -> None:
    stored = padded(data)
    assert stored[: len(data)] == data
    assert len(stored) == len(data) + PADDING
    assert stored[len(data) :].strip() == b""
    assert padded(data) != stored
    assert Description.of(document_metadata()).padding == PADDING


def test_a_padded_document_is_json() -> None:
    assert json.loads(padded(b'{"epoch": 1}')) == {"epoch": 1}


def test_metadata_of_other_programs_are_ignored() -> None:
    found = Description.of({"mtime": "1", "clipping-padding": "x", "clipping-metadata": "[1]"})
    assert (found.padding, found.nonce, found.pairs, found.facts) == (0, "", {}, None)


def test_facts_are_beside_their_object() -> None:
    first, other = facts_keys("clips/hand.1/clip-1.mp4", b"{}")
    assert first == "clips/hand.1/clip-1.json"
    assert other == "clips/hand.1/clip-1-44136fa355b3678a.json"
    assert facts_keys("checkpoints.x/1/plain", b"{}")[0] == "checkpoints.x/1/plain.json"


def test_a_version_has_the_etag() -> None:
    assert version_of('"00ff-2"', "") == "00ff-2"
    assert version_of('"00ff-2"', "abc") == "00ff-2.abc"
    assert etag_of("00ff-2.abc") == etag_of("00ff-2") == '"00ff-2"'
