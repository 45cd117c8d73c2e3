"""Which objects a caller may cut from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clipping.config import validate
from clipping.contract.messages import parse_clip_request
from clipping.errors import InvalidRequest, SourceNotAllowed
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


CALLERS = ("ada", "bob", "eve", "cleo@example.com")
PLACES = {"ada": "ada/", "bob": "bob/", "cleo@example.com": "mail/cleo/"}
OF_THE_SERVICE = (
    "ha/main/lease.json",
    "checkpoints/clip-20261120-8t3vq0z6m4k1h9pn/checkpoint.json",
    "cancels/clip-20261120-8t3vq0z6m4k1h9pn.json",
    "catalog/nas-1/index.json",
    "clips/h/clip-20261120-8t3vq0z6m4k1h9pn.mp4",
    "shorts/h/clip-20261120-8t3vq0z6m4k1h9pn.mp4",
    "reels/r/reel-20261120-8t3vq0z6m4k1h9pn.mp4",
    "previews/p.jpg",
    "uploads/",
    "uploads/a.mp4",
    "",
)


def attempts(own: str, other: str, root: str) -> Iterator[str]:
    """URIs of an object of another place, as those might write them who have a place of their own."""
    name = "clips/h/c.mp4"
    yield root + other + name
    for up in (
        "../",
        "./../",
        "/../",
        "..//",
        "%2e%2e/",
        "%2E%2E%2F",
        "..%2f",
        "..\\",
        "\u2025/",
        ". ./",
        "..;/",
    ):
        yield f"{root}{own}{up * (own.count('/') or 1)}{other}{name}"
        yield f"{root}{own}x/{up * 2}{other}{name}"
    yield root + own.rstrip("/") + other + name
    yield root + own.rstrip("/") + "%2F../" + other + name
    yield root + own.replace("a", "A").replace("o", "O") + name if own else root + name
    yield root + own.replace("a", "\u0430").replace("o", "\u043e") + name if own else root + name
    yield root + own.replace("/", "\uff0f") + name if own else root + name
    yield root.replace("s3://", "S3://") + other + name
    yield root.replace("s3://", "gs://") + own + name
    yield root.replace("clips", "clips.example") + own + name
    yield root.replace("://", "://x@") + other + name
    yield root.replace("/out", ":443/out") + other + name
    yield root + "?" + own + name
    yield root + "#/" + own + name
    yield root[:-1] + "\n/" + other + name
    yield root[:-1] + "\0/" + other + name


def may_ask(owner: str, uri: str) -> bool:
    """Whether a request with this URI is accepted."""
    body = {"hand_id": "h", "source_uri": uri, "start_seconds": 1, "end_seconds": 2}
    try:
        wanted = parse_clip_request(body, max_clip_seconds=60)
        assert wanted.source_uri == uri
        own_root = HOUSES + PLACES.get(owner, "")
        source_object(uri, owner=owner, config=ALL_PLACES, own_root=own_root)
    except (InvalidRequest, SourceNotAllowed):
        return False
    return True


HOUSES = "s3://clips/out/"
ALL_PLACES = validate(
    {
        "storage": {"backend": "s3", "bucket": "clips", "prefix": "out/"},
        "owners": {name: {"prefix": prefix} for name, prefix in PLACES.items()},
        "sources": [{"prefix": "s3://originals/"}],
    }
)


@pytest.mark.parametrize("owner", CALLERS)
def test_no_spelling_leads_to_another_place(owner: str) -> None:
    own = PLACES.get(owner, upload_folder(owner))
    assert may_ask(owner, f"{HOUSES}{own}clips/h/c.mp4")
    for other in CALLERS:
        if other == owner:
            continue
        for place in {PLACES.get(other, upload_folder(other)), upload_folder(other)}:
            for uri in attempts(own, place, HOUSES):
                if uri.startswith(HOUSES + own):
                    # Taken literally it is below the caller's own place: no store or library may resolve it.
                    assert not may_ask(owner, uri) or not {"", ".", ".."} & set(uri[5:].split("/")), uri
                else:
                    assert not may_ask(owner, uri), uri


@pytest.mark.parametrize("owner", CALLERS)
def test_objects_of_the_service_are_of_no_caller(owner: str) -> None:
    for name in OF_THE_SERVICE:
        assert not may_ask(owner, HOUSES + name), name
    for uri in ("s3://clips/a.mp4", "s3://clips/out", "s3://clips2/out/ada/a.mp4", "s3://clips/outada/a.mp4"):
        assert not may_ask(owner, uri), uri


def test_a_refusal_does_not_say_why() -> None:
    texts = set()
    for uri in (
        HOUSES + "ada/clips/h/c.mp4",
        HOUSES + "none/c.mp4",
        HOUSES + "ha/x.json",
        "gs://none/c.mp4",
    ):
        with pytest.raises(SourceNotAllowed) as refused:
            source_object(uri, owner="bob", config=ALL_PLACES, own_root=HOUSES + "bob/")
        texts.add(refused.value.message.replace(uri, "URI"))
    assert len(texts) == 1
