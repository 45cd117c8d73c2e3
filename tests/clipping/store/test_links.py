from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from clipping.clock import ManualClock
from clipping.errors import Expired, Forbidden, SigningUnavailable
from clipping.store.links import INVALID_LINK, LinkSigner, load_or_create_secret
from clipping.store.local import LocalStore

KEY = "clips/h/r.mp4"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _parts(url: str) -> tuple[str, int, str, str]:
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    key = unquote(parts.path).removeprefix("/v1/files/")
    return key, int(query["expires"][0]), query["filename"][0], query["signature"][0]


def _store(folder: Path) -> LocalStore:
    return LocalStore(folder, public_url="https://clips.example/", clock=ManualClock(NOW))


@pytest.mark.parametrize(
    "filename", ["h.mp4", "Tor Nr 1 & 2.mp4", 'quo"te.mp4', "Tör.mp4", "a\nb.mp4", "a=b&c"]
)
def test_a_link_works_until_its_end_and_not_after(tmp_path: Path, filename: str) -> None:
    store = _store(tmp_path)
    signed = store.sign(KEY, filename=filename, seconds=60)
    assert signed.url.startswith("https://clips.example/v1/files/clips/h/r.mp4?expires=")
    key, expires, name, signature = _parts(signed.url)
    assert (key, name) == (KEY, filename)
    assert datetime.fromtimestamp(expires, UTC) == signed.expires_at == NOW + timedelta(seconds=60)
    store.verify_signature(key, expires, name, signature, NOW)
    store.verify_signature(key, expires, name, signature, NOW + timedelta(seconds=59.9))
    with pytest.raises(Expired, match="2026-01-01 00:01 UTC"):
        store.verify_signature(key, expires, name, signature, NOW + timedelta(seconds=60))


def test_a_link_that_was_changed_is_refused(tmp_path: Path) -> None:
    store = _store(tmp_path)
    key, expires, name, signature = _parts(store.sign(KEY, filename="h.mp4", seconds=60).url)
    changed = "0" if signature[0] != "0" else "1"
    for forged in (
        ("clips/h/other.mp4", expires, name, signature),
        (key, expires + 1, name, signature),
        (key, expires, "other.mp4", signature),
        (key, expires, name, changed + signature[1:]),
        (key, expires, name, signature[:-1]),
        (key, expires, name, signature.upper()),
        (key, expires, name, ""),
        (key, expires, name, "ä\udcff"),
        # The same text in other places must not be the same signature.
        (f"{key}\n{expires}", expires, name, signature),
        (key, expires, f"h.mp4\n{name}", signature),
    ):
        with pytest.raises(Forbidden, match=INVALID_LINK):
            store.verify_signature(*forged, NOW)


def test_a_forged_link_is_forbidden_and_not_expired(tmp_path: Path) -> None:
    """Without the key, a client can't learn which links were signed."""
    store = _store(tmp_path)
    key, expires, name, signature = _parts(store.sign(KEY, filename="h.mp4", seconds=60).url)
    with pytest.raises(Forbidden):
        store.verify_signature(key, expires - 1, name, signature, NOW + timedelta(days=1))


def test_text_can_not_move_from_one_field_to_the_next(tmp_path: Path) -> None:
    signer = LinkSigner(tmp_path / "signing.key", "http://x")
    signatures = [
        _parts(signer.url("a", filename=name, expires=expires))[3]
        for name, expires in (("b", 12), ("2\nb", 1), ("b%0A", 12), ("b\n", 12))
    ]
    assert len(set(signatures)) == len(signatures)


def test_links_survive_a_restart_but_not_a_new_key(tmp_path: Path) -> None:
    parts = _parts(_store(tmp_path).sign(KEY, filename="h.mp4", seconds=60).url)
    _store(tmp_path).verify_signature(*parts, NOW)
    (tmp_path / "signing.key").unlink()
    with pytest.raises(Forbidden):
        _store(tmp_path).verify_signature(*parts, NOW)


def test_a_replaced_key_applies_to_all_open_stores(tmp_path: Path) -> None:
    agent, api = _store(tmp_path), _store(tmp_path)
    old = _parts(agent.sign(KEY, filename="h.mp4", seconds=60).url)
    (tmp_path / "signing.key").unlink()
    new = _parts(agent.sign(KEY, filename="h.mp4", seconds=60).url)
    api.verify_signature(*new, NOW)
    with pytest.raises(Forbidden):
        api.verify_signature(*old, NOW)


def test_the_key_is_for_its_owner_only(tmp_path: Path) -> None:
    _store(tmp_path).sign(KEY, filename="h.mp4", seconds=60)
    path = tmp_path / "signing.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.glob("signing.key*")] == ["signing.key"]


def test_concurrent_creators_of_the_key_get_the_same_one(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def work(path: Path) -> bytes:
        start.wait(30)
        return load_or_create_secret(path)

    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            secrets = set(pool.map(work, [tmp_path / f"key-{turn}"] * 8))
            assert len(secrets) == 1
            assert len(secrets.pop()) == 32


@pytest.mark.parametrize("damage", ["", "zz", "00ff"])
def test_a_damaged_key_is_never_used(tmp_path: Path, damage: str) -> None:
    (tmp_path / "signing.key").write_text(damage)
    store = _store(tmp_path)
    with pytest.raises(SigningUnavailable, match=r"signing\.key is damaged"):
        store.sign(KEY, filename="h.mp4", seconds=60)
    with pytest.raises(SigningUnavailable, match=r"signing\.key is damaged"):
        store.verify_signature(KEY, 1, "h.mp4", "", NOW)


def test_a_key_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    store = _store(tmp_path)
    (tmp_path / "signing.key").mkdir()  # permissions would not stop root
    with pytest.raises(SigningUnavailable, match=r"signing\.key, can't be read .* \(Is a directory\)"):
        store.sign(KEY, filename="h.mp4", seconds=60)
