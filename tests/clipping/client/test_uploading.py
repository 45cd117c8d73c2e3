"""Uploads to real stores, some of which break off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clipping.client import Client, Conflict, NoAnswer, NotUploaded, Refused, Retries, Upload
from clipping.client.transport import Transport
from clipping.client.uploading import content_type_of, upload
from clipping.store.gcs import GcsStore
from tests.api.api_process import CLIENT, ApiProcess
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.gcs_uploads import PERSISTED, GcsUploads
from tests.support.http_proxy import Exchange, HttpProxy, Instead

DATA = os.urandom(2 * PERSISTED + 7)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "final table.mkv"
    file.write_bytes(DATA)
    return file


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retries, "wait_before", lambda *_, **__: 0.01)


def test_a_recording_is_uploaded(api: ApiProcess, recording: Path) -> None:
    seen: list[tuple[int, int]] = []
    with Client(api.url, key=CLIENT) as client:
        uploaded = client.upload(recording, progress=lambda *at: seen.append(at))
    assert Path(urlsplit(uploaded.source_uri).path).read_bytes() == DATA
    assert uploaded.source_uri.endswith("/final-table.mkv")
    assert uploaded.headers == {"Content-Type": "video/x-matroska"}
    assert seen[-1] == (len(DATA), len(DATA))
    assert seen == sorted(seen)
    assert api.request(nas_video_path=None, source_uri=uploaded.source_uri).status_code == 202


def test_what_can_not_be_uploaded(api: ApiProcess, recording: Path, tmp_path: Path) -> None:
    with Client(api.url, key=CLIENT) as client:
        with pytest.raises(NotUploaded, match=r"none\.mp4 can't be read: No such file"):
            client.upload(tmp_path / "none.mp4")
        (tmp_path / "empty.mp4").touch()
        with pytest.raises(NotUploaded, match="is empty"):
            client.upload(tmp_path / "empty.mp4")
        with pytest.raises(Refused, match="content_type must be"):
            client.upload(recording, content_type="image/png")

        def shrink(there: int, _: int) -> None:
            if there == 16_384:
                os.truncate(recording, 100_000)

        with pytest.raises(NotUploaded, match="became shorter"):
            client.upload(recording, progress=shrink)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.MP4", "video/mp4"), ("a.b.mxf", "application/mxf"), ("a", "application/octet-stream")],
)
def test_the_type_follows_the_name(name: str, kind: str) -> None:
    assert content_type_of(Path(name)) == kind


@pytest.fixture
def proxied(api: ApiProcess) -> Iterator[tuple[HttpProxy, Client]]:
    """The API behind a proxy that may break off."""
    with HttpProxy(urlsplit(api.url).netloc) as proxy, Client(api.url, key=CLIENT) as client:
        begin = client._transport.call

        def call(*words: object, **more: object) -> object:
            answer = begin(*words, **more)  # type: ignore[arg-type]
            body = (answer.body or b"").replace(api.url.encode(), proxy.url.encode())
            return type(answer)(body, answer.etag)

        client._transport.call = call  # type: ignore[method-assign, assignment]
        yield proxy, client


def test_one_that_breaks_off_is_repeated(proxied: tuple[HttpProxy, Client], recording: Path) -> None:
    proxy, client = proxied
    broken = iter([Instead(503), Instead(502)])
    proxy.before = lambda asked: next(broken, None)
    uploaded = client.upload(recording)
    assert len(proxy.seen) == 3
    assert Path(urlsplit(uploaded.source_uri).path).read_bytes() == DATA


def test_a_lost_answer_is_no_failure(proxied: tuple[HttpProxy, Client], recording: Path) -> None:
    proxy, client = proxied
    lost = iter([Instead(502)])
    proxy.after = lambda asked: next(lost, None)
    uploaded = client.upload(recording)
    assert len(proxy.seen) == 2
    assert Path(urlsplit(uploaded.source_uri).path).read_bytes() == DATA


def test_it_is_not_repeated_for_ever(proxied: tuple[HttpProxy, Client], recording: Path) -> None:
    proxy, client = proxied
    proxy.before = lambda asked: Instead(503)
    with pytest.raises(Exception, match="503"):
        client.upload(recording)
    assert len(proxy.seen) == 5
    proxy.before = lambda asked: Instead(412)
    with pytest.raises(Conflict):
        client.upload(recording)


def test_in_cloud_storage_it_goes_on(
    recording: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    account = ServiceAccount(tmp_path)
    monkeypatch.setattr("clipping.store.gcs.RESUMABLE_BYTES", 1000)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.key_file))
    with FakeGcs() as server, HttpProxy(urlsplit(server.url).netloc) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        rule = GcsUploads(server, account.public_key)
        asked_for: list[str | None] = []

        def breaking(asked: Exchange) -> Instead | None:
            if asked.method == "PUT":
                asked_for.append(asked.headers.get("Content-Range"))
                if len(asked_for) == 1:
                    (session,) = rule.sessions.values()
                    session.data = asked.body[:PERSISTED]
                    return Instead(503)
            return rule(asked)

        proxy.before = breaking
        store = GcsStore(server.bucket())
        key, size = "uploads/0123456789abcdef/upl-1/a.mkv", len(DATA)

        def begin(size: int) -> Upload:
            target = store.sign_upload(key, size=size, content_type="video/x-matroska", seconds=60)
            return Upload(
                upload_id="upl-1",
                upload_url=target.url,
                headers=dict(target.headers),
                resumable=target.resumable,
                source_uri=store.uri(key),
                expires_at=target.expires_at,
            )

        with Transport(proxy.url, key=None, timeout=30, retries=Retries()) as transport:
            upload(transport, begin, recording, None)
        assert asked_for == [None, f"bytes */{size}", f"bytes {PERSISTED}-{size - 1}/{size}"]
        store.download(key, tmp_path / "there")
        assert (tmp_path / "there").read_bytes() == DATA
        store.close()


def test_a_store_that_is_away(recording: Path) -> None:
    away = "http://127.0.0.1:9"
    with (
        Transport(away, key=None, timeout=5, retries=Retries()) as transport,
        pytest.raises(NoAnswer, match=r"127\.0\.0\.1:9 does not answer"),
    ):
        transport.put(f"{away}/x", headers={}, body=b"x")
