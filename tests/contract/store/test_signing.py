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
