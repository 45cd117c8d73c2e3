"""Which objects a caller may cut from."""

from __future__ import annotations

import pytest

from clipping.config import validate
from clipping.errors import SourceNotAllowed
from clipping.store.access import source_object
from clipping.store.layout import upload_folder

ROOT = "s3://clips/out/"
CONFIG = validate(
    {
        "storage": {"backend": "s3", "bucket": "clips", "prefix": "out/"},
        "owners": {"ada": {"prefix": "ada/"}},
        "sources": [
            {"prefix": "s3://originals/"},
            {"prefix": "s3://originals/secret/", "owners": ["eve"], "region": "eu-1"},
            {"prefix": "gs://footage/", "owners": ["bob", "eve"]},
        ],
    }
)
ROOTS = {"ada": ROOT + "ada/"}


def allowed(owner: str, uri: str) -> bool:
    try:
        source_object(uri, owner=owner, config=CONFIG, own_root=ROOTS.get(owner, ROOT))
    except SourceNotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("owner", "uri", "expected"),
    [
        ("ada", ROOT + "ada/clips/h/c.mp4", True),
        ("ada", ROOT + "ada/originals/a.mp4", True),
        ("ada", ROOT + "adam/a.mp4", False),
        ("ada", ROOT + "clips/h/c.mp4", False),
        ("bob", ROOT + "ada/originals/a.mp4", False),
        ("bob", ROOT + "clips/h/c.mp4", False),
        ("bob", ROOT + upload_folder("bob") + "upl-1/a.mp4", True),
        ("bob", ROOT + upload_folder("eve") + "upl-1/a.mp4", False),
        ("ada", ROOT + upload_folder("ada") + "upl-1/a.mp4", False),
        ("bob", "s3://originals/a.mp4", True),
        ("bob", "s3://originals2/a.mp4", False),
        ("bob", "gs://originals/a.mp4", False),
        ("ada", "gs://footage/a.mp4", False),
        ("bob", "gs://footage/a.mp4", True),
    ],
)
def test_who_may_read_what(owner: str, uri: str, expected: bool) -> None:
    assert allowed(owner, uri) is expected


def test_the_longest_prefix_decides_how_it_is_read() -> None:
    found = source_object("s3://originals/secret/a.mp4", owner="eve", config=CONFIG, own_root=ROOT)
    assert found.source is not None
    assert found.source.region == "eu-1"
