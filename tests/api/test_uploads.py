"""Uploads to the local store, which the API receives itself."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from clipping.store.local import LocalStore
from tests.api.api_process import STRANGER, ApiProcess
from tests.api.conftest import MakeApi
from tests.support.waiting import eventually

CONTENT = bytes(n * 7 % 251 for n in range(100_003))
KEY = "uploads/0123456789abcdef/upl-20261120-0123456789abcdef/table.mp4"


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"filename": None}, "filename", "is required"),
    ({"filename": ""}, "filename", "1 to 255 characters"),
    ({"filename": "x" * 256}, "filename", "1 to 255 characters"),
    ({"filename": "a\nb.mp4"}, "filename", "control"),
    ({"filename": 7}, "filename", "must be a string"),
    ({"content_type": None}, "content_type", "is required"),
    ({"content_type": "image/png"}, "content_type", "must be video/…, "),
    ({"content_type": "video/mp4; codecs=x"}, "content_type", "must be video/…, "),
    ({"content_type": "Video/MP4"}, "content_type", "in lower case"),
    ({"content_type": "video/"}, "content_type", "must be video/…, "),
    ({"size_bytes": None}, "size_bytes", "is required"),
    ({"size_bytes": 0}, "size_bytes", "must be at least 1"),
    ({"size_bytes": 1.5}, "size_bytes", "whole number"),
    ({"size_bytes": True}, "size_bytes", "whole number"),
    ({"bytes": 1}, "bytes", "not a known field"),
]
"""Changes that make a request bad, the field to blame, and what is said."""


def begin(api: ApiProcess, **over: Any) -> requests.Response:
    body = {"filename": "table.mp4", "content_type": "video/mp4", "size_bytes": len(CONTENT), **over}
    return api.post("/v1/uploads", json={name: v for name, v in body.items() if v is not None})


def begun(api: ApiProcess, **over: Any) -> dict[str, Any]:
    answer = begin(api, **over)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def put(upload: dict[str, Any], data: bytes = CONTENT, **headers: str) -> requests.Response:
    return requests.put(upload["upload_url"], data=data, headers={**upload["headers"], **headers}, timeout=30)


def path_of(upload: dict[str, Any]) -> Path:
    return Path(urlsplit(upload["source_uri"]).path)


def staged(api: ApiProcess) -> list[Path]:
    return list((api.folder / "store" / "tmp").iterdir())


def code_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_an_upload(api: ApiProcess) -> None:
    upload = begun(api, filename="Tör 1 (final).MP4")
    assert upload["upload_id"].startswith("upl-")
    assert upload["method"] == "PUT"
    assert upload["headers"] == {"Content-Type": "video/mp4"}
    assert upload["source_uri"].endswith(f"/{upload['upload_id']}/Tor-1-final.MP4")
    answer = put(upload)
    assert (answer.status_code, answer.content) == (200, b"")
    assert path_of(upload).read_bytes() == CONTENT
    assert staged(api) == []


def test_a_clip_can_be_requested_from_it_once_it_is_there(api: ApiProcess) -> None:
    upload = begun(api)
    source = {"nas_video_path": None, "source_uri": upload["source_uri"]}
    early = api.request(**source)
    assert code_of(early) == (400, "INVALID_REQUEST")
    assert early.json()["error"] == {
        "code": "INVALID_REQUEST",
        "field": "source_uri",
        "message": "source_uri: the upload is not complete: PUT the file to its upload_url first",
    }
    assert put(upload).status_code == 200
    assert api.request(**source).status_code == 202


def test_a_batch_and_a_reel_say_which_upload_is_missing(api: ApiProcess) -> None:
    there, missing = begun(api), begun(api)
    assert put(there).status_code == 200
    clips = [
        {"hand_id": "h", "source_uri": upload["source_uri"], "start_seconds": 0, "end_seconds": 5}
        for upload in (missing, there, missing)
    ]
    items = api.post("/v1/clip/batch", json={"clips": clips}).json()["items"]
    assert ["error" in item for item in items] == [True, False, True]
    parts = [{name: clip[name] for name in clip if name != "hand_id"} for clip in clips[:2]]
    refused = api.request_reel(clips=parts).json()["error"]
    assert refused["field"] == "clips[0].source_uri"
    assert "not complete" in refused["message"]


def test_anothers_upload_is_not_there(api: ApiProcess) -> None:
    upload = begun(api)
    assert put(upload).status_code == 200
    stranger = {"Authorization": f"Bearer {STRANGER}"}
    body = {"hand_id": "h", "source_uri": upload["source_uri"], "start_seconds": 0, "end_seconds": 5}
    answer = api.post("/v1/clip/request", json=body, headers=stranger)
    assert answer.json()["error"]["message"].startswith("source_uri must be an upload of yours")


def test_each_url_takes_one_file(api: ApiProcess) -> None:
    upload = begun(api)
    assert put(upload).status_code == 200
    assert code_of(put(upload, CONTENT[::-1])) == (412, "ALREADY_UPLOADED")
    assert path_of(upload).read_bytes() == CONTENT


def test_of_several_at_a_time_one_is_kept(api: ApiProcess) -> None:
    upload = begun(api)
    bodies = [bytes([n]) * len(CONTENT) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda body: put(upload, body).status_code, bodies))
    assert sorted(answers) == [200] + [412] * 5
    assert path_of(upload).read_bytes() == bodies[answers.index(200)]
    eventually(lambda: not staged(api))


@pytest.mark.parametrize(
    ("data", "headers", "refusal"),
    [
        (CONTENT + b"x", {}, (413, "PAYLOAD_TOO_LARGE")),
        (CONTENT[:-1], {}, (400, "INVALID_REQUEST")),
        (b"", {}, (400, "INVALID_REQUEST")),
        (CONTENT, {"Content-Type": "video/quicktime"}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (CONTENT, {"Content-Type": ""}, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ],
)
def test_another_size_or_type_is_refused(
    api: ApiProcess, data: bytes, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    upload = begun(api)
    assert code_of(put(upload, data, **headers)) == refusal
    assert not path_of(upload).exists()
    assert put(upload).status_code == 200  # the right file can still come


def test_chunks_are_refused(api: ApiProcess) -> None:
    upload = begun(api)
    answer = requests.put(upload["upload_url"], data=iter([CONTENT]), headers=upload["headers"], timeout=30)
    assert code_of(answer) == (400, "INVALID_REQUEST")
    assert "Content-Length" in answer.json()["error"]["message"]


def raw(upload: dict[str, Any], sent: bytes, *, length: int = len(CONTENT), more: str = "") -> socket.socket:
    """A connection on which a part of an upload was sent."""
    parts = urlsplit(upload["upload_url"])
    connection = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=30)
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\n{more}"
    connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + sent)
    return connection


def test_nothing_is_stored_of_one_that_breaks_off(api: ApiProcess) -> None:
    upload = begun(api)
    connection = raw(upload, CONTENT[:70_000])
    eventually(lambda: staged(api))
    connection.close()
    eventually(lambda: not staged(api))
    assert not path_of(upload).exists()
    assert put(upload).status_code == 200


def test_half_closed_it_says_what_is_missing(api: ApiProcess) -> None:
    with raw(begun(api), CONTENT[:70_000]) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"ended after 70000: send it again" in answer


def test_a_client_that_waits_learns_of_a_refusal_before_it_sends(api: ApiProcess) -> None:
    upload = begun(api)
    with raw(upload, b"", more="Expect: 100-continue\r\n") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(CONTENT)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    with raw(upload, b"", more="Expect: 100-continue\r\n") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 412 ")


def test_the_next_request_on_the_connection_is_not_answered(api: ApiProcess) -> None:
    upload = begun(api)
    after = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with raw(upload, CONTENT + after) as connection:
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


def changed(url: str, **over: str) -> str:
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | over
    return parts._replace(query=urlencode(query)).geturl()


@pytest.mark.parametrize(
    "over",
    [
        {"expires": "99999999999"},
        {"expires": "x"},
        {"size": "100004"},
        {"size": "-1"},
        {"type": "video/webm"},
        {"signature": "00"},
        {"signature": "é"},
    ],
)
def test_a_changed_url_is_refused(api: ApiProcess, over: dict[str, str]) -> None:
    upload = begun(api)
    answer = put({**upload, "upload_url": changed(upload["upload_url"], **over)})
    assert code_of(answer) == (403, "FORBIDDEN")
    assert not path_of(upload).exists()


def test_another_name_is_refused(api: ApiProcess) -> None:
    upload = begun(api)
    url = upload["upload_url"]
    for other in (url.replace("table.mp4", "other.mp4"), url.replace("/uploads/upl", "/uploads/..%2f..")):
        if other != url:
            assert code_of(put({**upload, "upload_url": other})) == (403, "FORBIDDEN")


def test_a_download_link_uploads_nothing_and_the_other_way_round(api: ApiProcess) -> None:
    upload = begun(api)
    query = urlsplit(upload["upload_url"]).query
    name = urlsplit(upload["upload_url"]).path.removeprefix("/v1/uploads/")
    assert code_of(requests.get(f"{api.url}/v1/files/{name}?{query}", timeout=30)) == (403, "FORBIDDEN")
    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    link = store.sign(name, filename="x", seconds=60).url.replace("/v1/files/", "/v1/uploads/")
    assert code_of(requests.put(link, data=CONTENT, timeout=30)) == (403, "FORBIDDEN")


def test_a_url_expires(api: ApiProcess) -> None:
    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    target = store.sign_upload(KEY, size=len(CONTENT), content_type="video/mp4", seconds=-1)
    answer = put({"upload_url": target.url, "headers": target.headers})
    assert code_of(answer) == (410, "EXPIRED")
    assert store.stat(KEY) is None


def test_a_full_disk_is_said(api: ApiProcess) -> None:
    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    target = store.sign_upload(KEY, size=1 << 49, content_type="video/mp4", seconds=60)
    upload = {"upload_url": target.url}
    with raw(upload, b"x", length=1 << 49, more="Expect: 100-continue\r\n") as connection:
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"NO_SPACE"' in answer
    assert b"no room for this upload" in answer


def test_the_signature_is_not_in_the_log(api: ApiProcess) -> None:
    upload = begun(api)
    put(upload)
    assert parse_qs(urlsplit(upload["upload_url"]).query)["signature"][0] not in api.log.read_text()


@pytest.mark.parametrize(
    ("over", "field", "words"),
    BAD,
)
def test_a_bad_request(api: ApiProcess, over: dict[str, Any], field: str, words: str) -> None:
    answer = begin(api, **over)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "INVALID_REQUEST", field)
    assert words in error["message"]


def test_too_large_names_the_limit(api: ApiProcess) -> None:
    answer = begin(api, size_bytes=5_000_000_001)
    assert code_of(answer) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.json()["error"]["field"] == "size_bytes"
    assert "5000000000" in answer.json()["error"]["message"]


@pytest.mark.parametrize("content_type", ["video/mp4", "video/quicktime", "application/mxf"])
def test_types_of_recordings(api: ApiProcess, content_type: str) -> None:
    assert put(begun(api, content_type=content_type)).status_code == 200


def test_uploads_leave_the_threads_to_others(make_api: MakeApi) -> None:
    api = make_api(api={"threads": 1, "uploads": 2})
    uploads = [begun(api) for _ in range(3)]
    slow = [raw(upload, CONTENT[:10]) for upload in uploads[:2]]
    try:
        eventually(lambda: len(staged(api)) == 2)
        refused = put(uploads[2])
        assert code_of(refused) == (503, "OVERLOADED")
        assert int(refused.headers["Retry-After"]) > 0
        assert api.get("/v1/clips").status_code == 200
        slow[0].sendall(CONTENT[10:])
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 200 ")
        eventually(lambda: put(uploads[2]).status_code == 200)
    finally:
        for connection in slow:
            connection.close()


def test_a_caller_with_a_place_of_its_own_uploads_there(make_api: MakeApi) -> None:
    api = make_api(owners={"web": {"prefix": "web/"}})
    upload = begun(api)
    assert "/objects/web/uploads/" in upload["source_uri"]
    assert put(upload).status_code == 200
    assert path_of(upload).read_bytes() == CONTENT
    assert api.request(nas_video_path=None, source_uri=upload["source_uri"]).status_code == 202
    missing = begun(api)["source_uri"]
    assert "not complete" in api.request(nas_video_path=None, source_uri=missing).json()["error"]["message"]


def rss_of(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_large_one_needs_no_memory(api: ApiProcess) -> None:
    size = 200 << 20
    source = api.folder / "large.mp4"
    with source.open("wb") as file:
        file.truncate(size)
    upload = begun(api, size_bytes=size)
    put(begun(api))
    before = peak = rss_of(api.pid)
    began = time.monotonic()
    command = ["curl", "-sS", "-f", "-T", str(source), "-H", "Content-Type: video/mp4", upload["upload_url"]]
    with subprocess.Popen(command) as curl:
        while curl.poll() is None:
            peak = max(peak, rss_of(api.pid))
            time.sleep(0.01)
    assert curl.returncode == 0
    assert path_of(upload).stat().st_size == size
    assert peak - before < 20 << 20
    print(f"{size / (time.monotonic() - began) / 1e6:.0f} MB/s, {(peak - before) >> 10} KiB more")
    path_of(upload).unlink()
