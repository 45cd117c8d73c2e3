"""Tokens of callers and ids of recordings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.contract.preview_keys import ALL_ROOTS, PreviewKeys, read_preview_keys
from clipping.errors import ConfigurationError, NotFound, TokenExpired, Unauthorized

NOW = datetime(2026, 11, 20, 8, 0, 0, 123456, tzinfo=UTC)
KEYS, OTHER = PreviewKeys("0123456789abcdef"), PreviewKeys("0123456789abcdeg")


def test_a_token_holds_what_it_allows() -> None:
    token, expires_at = KEYS.token("web", ["/nas"], NOW)
    assert expires_at == datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
    found = KEYS.verify(token, NOW)
    assert (found.caller, found.roots, found.expires_at) == ("web", ("/nas",), expires_at)
    assert [found.covers(path) for path in ("/nas", "/nas/a/b.mp4", "/nasty/a.mp4", "/")] == [
        True,
        True,
        False,
        False,
    ]
    assert KEYS.verify(KEYS.token("web", [ALL_ROOTS], NOW)[0], NOW).covers("/anything")
    assert not KEYS.verify(KEYS.token("web", [], NOW)[0], NOW).covers("/nas")


def test_a_token_ends() -> None:
    token, expires_at = KEYS.token("web", ["/nas"], NOW)
    KEYS.verify(token, expires_at - timedelta(seconds=1))
    with pytest.raises(TokenExpired) as refused:
        KEYS.verify(token, expires_at)
    assert refused.value.status == 401


def test_what_is_signed_otherwise_is_no_token() -> None:
    token, _ = KEYS.token("web", ["/nas"], NOW)
    payload, _, signature = token.rpartition(".")
    other = KEYS.token("admin", ["/"], NOW)[0].rpartition(".")[0]
    for forged in (
        "",
        ".",
        payload,
        f"{other}.{signature}",
        f"{payload}.{signature[1:]}",
        KEYS.recording_id("/a"),
    ):
        with pytest.raises(Unauthorized):
            KEYS.verify(forged, NOW)
    with pytest.raises(Unauthorized):
        OTHER.verify(token, NOW)


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name))
def test_an_id_leads_back_to_its_path(name: bytes) -> None:
    path = "/nas/" + name.decode("utf-8", "surrogateescape")
    made = KEYS.recording_id(path)
    assert KEYS.path_of(made) == path
    assert KEYS.recording_id(path) == made
    with pytest.raises(NotFound):
        OTHER.path_of(made)


@settings(max_examples=50)
@given(st.text(max_size=100))
def test_no_text_is_an_id_by_chance(text: str) -> None:
    with pytest.raises(NotFound):
        KEYS.path_of(text)
    with pytest.raises(Unauthorized):
        KEYS.verify(text, NOW)


def test_the_secret_is_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("0123456789abcdef\n")
    keys = read_preview_keys(str(file))
    assert keys is not None
    assert keys.path_of(KEYS.recording_id("/a")) == "/a"
    assert read_preview_keys(None) is None
    file.write_text("short")
    with pytest.raises(ConfigurationError, match=r"preview\.key: .* 16 to 512") as refused:
        read_preview_keys(str(file))
    assert "short" not in str(refused.value)
    with pytest.raises(ConfigurationError, match=r"preview\.key: .*No such file"):
        read_preview_keys(str(tmp_path / "none"))
