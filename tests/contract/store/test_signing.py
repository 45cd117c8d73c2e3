from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

from clipping.store.port import Store
from tests.contract.store.conftest import Create


def test_a_link_states_its_expiry(store: Store, create: Create) -> None:
    create("clips/h/r.mp4")
    begin = datetime.now(UTC)
    signed = store.sign("clips/h/r.mp4", filename="h.mp4", seconds=3600)
    assert begin + timedelta(seconds=3598) <= signed.expires_at <= datetime.now(UTC) + timedelta(seconds=3601)
    assert "clips/h/r.mp4" in signed.url


def test_a_link_contains_the_file_name(store: Store) -> None:
    url = store.sign("clips/h/r.mp4", filename="Tor Nr 1.mp4", seconds=60).url
    assert "Tor Nr 1.mp4" in unquote_plus(unquote_plus(url))
    assert " " not in url


def test_a_link_can_be_signed_before_the_object_exists(store: Store) -> None:
    assert store.sign("clips/h/none.mp4", filename="h.mp4", seconds=60).url


def test_an_upload_states_its_expiry_and_what_to_send(store: Store) -> None:
    begin = datetime.now(UTC)
    key = "uploads/0123456789abcdef/upl-1/table.mp4"
    target = store.sign_upload(key, size=1000, content_type="video/mp4", seconds=3600)
    end = begin + timedelta(seconds=3600)
    assert end - timedelta(seconds=2) <= target.expires_at <= datetime.now(UTC) + timedelta(seconds=3601)
    assert target.headers["Content-Type"] == "video/mp4"
    assert "uploads/0123456789abcdef/upl-1/table.mp4" in target.url
    assert not target.resumable
    assert store.stat(key) is None
