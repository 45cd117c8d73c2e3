"""Signed links to the local store's clips."""

from __future__ import annotations

import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from clipping.store.local import LocalStore
from tests.api.api_process import ApiProcess

KEY = "clips/hand-1/clip-20261120-8t3vq0z6m4k1h9pn.mp4"
CONTENT = bytes(n * 7 % 251 for n in range(100_003))


@dataclass(frozen=True)
class Served:
    """A clip in the store, and a link to it."""

    store: LocalStore
    link: str


@pytest.fixture(scope="module")
def served(api: ApiProcess) -> Served:
    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    source = api.folder / "clip.mp4"
    source.write_bytes(CONTENT)
    store.create(KEY, source, content_type="video/mp4", metadata={})
    return Served(store, store.sign(KEY, filename="hand-1.mp4", seconds=600).url)


def get(link: str, **headers: str) -> requests.Response:
    return requests.get(link, headers=headers, timeout=30)


def test_the_whole_clip(served: Served) -> None:
    answer = get(served.link)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Content-Disposition"] == "attachment; filename=hand-1.mp4"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"].startswith("private")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Last-Modified"]


def test_head_says_the_same_without_the_clip(served: Served) -> None:
    whole, head = get(served.link), requests.head(served.link, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=50000-", 50_000, 100_003),
        ("bytes=-5", 99_998, 100_003),
        ("bytes=100002-999999999", 100_002, 100_003),
        ("bytes=-999999999", 0, 100_003),
        ("bytes=0-", 0, 100_003),
        ("bytes=0-100002", 0, 100_003),
        ("bytes=0-999999999", 0, 100_003),
        ("Bytes=00010-0019", 10, 20),
    ],
)
def test_one_range(served: Served, asked: str, start: int, stop: int) -> None:
    answer = get(served.link, Range=asked)
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:stop]
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"


def test_head_of_a_range(served: Served) -> None:
    head = requests.head(served.link, headers={"Range": "bytes=10-19"}, timeout=30)
    assert (head.status_code, head.headers["Content-Length"]) == (206, "10")
    assert head.headers["Content-Range"] == f"bytes 10-19/{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=x-y",
        "frames=0-1",
        "bytes",
        "bytes=5-1",
        "bytes=-",
        "bytes=--5",
        "bytes=+1-5",
        "bytes=0-" + "9" * 5000,
        "",
    ],
)
def test_anything_but_a_single_range_gets_the_whole_file(served: Served, asked: str) -> None:
    answer = get(served.link, Range=asked)
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["bytes=100003-", "bytes=999999999-", "bytes=100003-100004", "bytes=-0"])
def test_a_range_behind_the_end(served: Served, asked: str) -> None:
    answer = get(served.link, Range=asked)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
    assert answer.json()["error"]["code"] == "RANGE_NOT_SATISFIABLE"


def test_a_copy_that_is_the_same_is_not_sent_again(served: Served) -> None:
    first = get(served.link)
    for headers in (
        {"If-None-Match": first.headers["ETag"]},
        {"If-Modified-Since": first.headers["Last-Modified"]},
    ):
        answer = get(served.link, **headers)
        assert (answer.status_code, answer.content) == (304, b"")
    assert get(served.link, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_range_of_another_version_gets_the_whole(served: Served) -> None:
    etag = get(served.link).headers["ETag"]
    assert get(served.link, Range="bytes=0-1", **{"If-Range": etag}).status_code == 206
    assert get(served.link, Range="bytes=0-1", **{"If-Range": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signature", "0" * 64),
        ("signature", ""),
        ("signature", "ü"),
        ("signature", None),
        ("expires", "99999999999"),
        ("expires", "-1"),
        ("expires", "1e99"),
        ("expires", ""),
        ("expires", None),
        ("filename", "other.mp4"),
        ("filename", "a\r\nSet-Cookie: x=1"),
        ("filename", None),
    ],
)
def test_a_link_that_was_changed_is_refused(served: Served, name: str, value: str | None) -> None:
    parts = urlsplit(served.link)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    query.pop(name)
    if value is not None:
        query[name] = value
    answer = get(parts._replace(query=urlencode(query)).geturl())
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    "key", ["clips/hand-1/other.mp4", "..%2f..%2fetc%2fpasswd", "signing.key", "%00", "x" * 900]
)
def test_a_link_to_something_else_is_refused(served: Served, key: str) -> None:
    parts = urlsplit(served.link)
    answer = get(parts._replace(path=f"/v1/files/{key}").geturl())
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


def test_a_refused_link_is_explained_in_one_way(served: Served) -> None:
    url = served.store.sign(KEY, filename="hand-1.mp4", seconds=60).url
    forged = get(url.replace("filename=hand-1", "filename=hand-2")).json()["error"]["message"]
    malformed = get(re.sub(r"expires=\d+", "expires=soon", url)).json()["error"]["message"]
    assert forged == malformed == "this download link is not valid: ask for a new one"
    late = get(served.store.sign(KEY, filename="hand-1.mp4", seconds=-1).url).json()["error"]["message"]
    assert re.fullmatch(
        r"this download link was valid until [-0-9]{10} [:0-9]{5} UTC: ask for a new one", late
    )


def test_a_link_expires(served: Served) -> None:
    answer = get(served.store.sign(KEY, filename="hand-1.mp4", seconds=-1).url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "EXPIRED")


def test_a_deleted_clip_is_gone(served: Served) -> None:
    link = served.store.sign("clips/hand-1/never.mp4", filename="hand-1.mp4", seconds=60).url
    answer = get(link)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "EXPIRED")


def test_the_signature_is_not_in_the_log(api: ApiProcess, served: Served) -> None:
    get(served.link)
    assert parse_qs(urlsplit(served.link).query)["signature"][0] not in api.log.read_text()


def test_slow_readers_keep_no_thread(api: ApiProcess, served: Served) -> None:
    source = api.folder / "large.mp4"
    with source.open("wb") as file:
        os.truncate(file.fileno(), 200 << 20)
    key = "clips/hand-1/large.mp4"
    served.store.create(key, source, content_type="video/mp4", metadata={})
    link = urlsplit(served.store.sign(key, filename="large.mp4", seconds=600).url)
    slow = []
    try:
        for number in range(3 * api.config.api.threads):
            reader = socket.create_connection((link.hostname, link.port), timeout=30)
            slow.append(reader)
            ranged = b"Range: bytes=1000-\r\n" if number % 2 else b""
            reader.sendall(
                f"GET {link.path}?{link.query} HTTP/1.1\r\nHost: x\r\n".encode() + ranged + b"\r\n"
            )
            assert reader.recv(100).startswith(b"HTTP/1.1 20")
        for _ in range(20):
            assert api.get("/health").status_code == 200
    finally:
        for reader in slow:
            reader.close()


@pytest.mark.slow
def test_a_large_clip_is_whole_for_several_readers(served: Served, api: ApiProcess) -> None:
    size = 64 << 20
    source = api.folder / "big.mp4"
    block = os.urandom(1 << 20)
    source.write_bytes(block * (size >> 20))
    key = "clips/hand-1/big.mp4"
    served.store.create(key, source, content_type="video/mp4", metadata={})
    link = served.store.sign(key, filename="big.mp4", seconds=600).url

    def read(start: int) -> bool:
        answer = get(link, Range=f"bytes={start}-")
        return answer.content == (block * (size >> 20))[start:]

    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, [0, 1, 12_345_678, size - 1]))
    print(f"{3 * size / (time.monotonic() - began) / 1e6:.0f} MB/s")
