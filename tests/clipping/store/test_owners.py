"""The places of callers in a store, and which of them has an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from clipping.clock import SystemClock
from clipping.config import Config, validate
from clipping.errors import Forbidden, StoreUnavailable
from clipping.store.layout import is_at
from clipping.store.local import LocalStore
from clipping.store.open import open_store
from clipping.store.owners import OwnerStores
from tests.support.seaweed import CUSTOMERS, Seaweed

KEY = "clips/h/clip-1.mp4"


def local(folder: Path, owners: dict[str, Any] | None = None, prefix: str = "") -> OwnerStores:
    config = validate({"storage": {"path": str(folder), "prefix": prefix}, "owners": owners or {}})
    return OwnerStores(config, open_store(config))


def in_bucket(weed: Seaweed, **owners: Any) -> Config:
    storage = {"backend": "s3", "bucket": CUSTOMERS, "endpoint": weed.url, "path": None}
    return validate({"storage": {**storage, "credentials": str(weed.credentials)}, "owners": owners})


@pytest.mark.parametrize(
    ("uri", "name", "expected"),
    [
        ("gs://any/clips/h/r.mp4", "clips/h/r.mp4", True),
        ("s3://any/team/clips/h/r.mov", "team/clips/h/r.mp4", True),
        ("s3://any/team/clips/h/r.mp4", "clips/h/r.mp4", False),
        ("s3://ada/clips/h/r.mp4", "ada/clips/h/r.mp4", False),
        ("file:///data/objects/clips/h/r.mp4", "clips/h/r.mp4", True),
        ("file:///objects/data/objects/clips/h/r.mp4", "clips/h/r.mp4", True),
        ("file:///data/objects/ada/clips/h/r.mp4", "clips/h/r.mp4", False),
        ("file:///data/ada/clips/h/r.mp4", "ada/clips/h/r.mp4", False),
        ("gs://any/clips/h/r2.mp4", "clips/h/r.mp4", False),
        ("", "clips/h/r.mp4", False),
    ],
)
def test_a_uri_says_where_an_object_is(uri: str, name: str, expected: bool) -> None:
    assert is_at(uri, name) is expected


def test_an_object_is_in_one_of_the_callers_two_places_whatever_its_uri_is(tmp_path: Path) -> None:
    stores = local(tmp_path, {"ada": {"prefix": "ada/"}, "bob": {"prefix": "bob/"}}, prefix="team/")
    root = f"file://{tmp_path}/objects/team/"
    assert stores.of("ada").uri(KEY) == f"{root}ada/{KEY}"
    for owner, uri, place, certain in [
        ("ada", f"{root}ada/{KEY}", "ada", True),
        ("ada", root + KEY, "shared", True),
        ("ada", f"{root}bob/{KEY}", "ada", False),
        ("ada", "", "ada", False),
        ("eve", f"{root}ada/{KEY}", "shared", False),
        ("eve", root + KEY, "shared", True),
    ]:
        found = stores.holding(owner, uri, KEY)
        expected = stores.shared if place == "shared" else stores.of(place)
        assert (found.store, found.certain) == (expected, certain), (owner, uri)


def test_links_to_a_place_are_served_by_the_store_of_all_and_to_no_other_object(tmp_path: Path) -> None:
    stores = local(tmp_path, {"ada": {"prefix": "ada/"}, "bob": {"prefix": "bob/"}}, prefix="team/")
    for owner in ("ada", "bob", "eve"):
        source = tmp_path / owner
        source.write_text(owner)
        stores.of(owner).create(KEY, source, content_type="video/mp4", metadata={})
    shared = stores.shared
    assert isinstance(shared, LocalStore)
    link = urlsplit(stores.of("ada").sign(KEY, filename="h.mp4", seconds=60).url)
    query = {name: values[0] for name, values in parse_qs(link.query).items()}
    signed = unquote(link.path.removeprefix("/v1/files/"))
    assert signed == f"ada/{KEY}"

    def verify(key: str) -> None:
        now = SystemClock().now()
        shared.verify_signature(key, int(query["expires"]), query["filename"], query["signature"], now)

    verify(signed)
    found = shared.open_object(signed)
    assert found is not None
    assert found[0].read_text() == "ada"
    for other in (KEY, f"bob/{KEY}", f"ada/../bob/{KEY}", f"ada//{KEY}", f"team/ada/{KEY}", "ada%2F" + KEY):
        with pytest.raises(Forbidden):
            verify(other)


def test_credentials_of_a_caller_are_read_again_when_the_file_has_changed(
    seaweed: Seaweed, tmp_path: Path
) -> None:
    seaweed.customers()
    key = tmp_path / "ada"
    config = in_bucket(seaweed, ada={"prefix": "ada/", "credentials": str(key)})
    stores = OwnerStores(config, open_store(config))
    assert (stores.apart("ada"), stores.apart("bob")) == (True, False)
    with pytest.raises(StoreUnavailable, match=r"owners\.ada\.credentials: .*/ada can't be read: No such"):
        stores.of("ada").stat(KEY)
    key.write_text("[default]\n")
    with pytest.raises(StoreUnavailable, match=r"owners\.ada\.credentials: .*/ada needs a section"):
        stores.of("ada").stat(KEY)
    key.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    with pytest.raises(StoreUnavailable, match=r"rejected|denied"):
        stores.of("ada").stat(KEY)
    key.write_text(seaweed.key_of("ada"))
    assert stores.of("ada").stat(KEY) is None
    assert stores.of("ada") is stores.of("ada")
    assert stores.shared.stat(KEY) is None, "all others are not affected"
