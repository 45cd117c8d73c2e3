"""Links to clips in an S3-compatible store. SeaweedFS verifies their signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from clipping.clock import SystemClock
from clipping.errors import SigningUnavailable
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
from clipping.store.signing import fetch, sign_and_verify
from tests.support.proxy import TcpProxy
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed
from tests.support.waiting import eventually

KEY = "clips/h/r.mp4"
CLIP = bytes(range(256)) * 40


@pytest.fixture
def clip(s3: S3Store, tmp_path: Path) -> str:
    source = tmp_path / "source"
    source.write_bytes(CLIP)
    s3.create(KEY, source, content_type="video/mp4", metadata={})
    return KEY


def test_a_link_downloads_the_clip_under_its_name(s3: S3Store, clip: str) -> None:
    url = s3.sign(clip, filename="Größe 1.mp4", seconds=60).url
    answer = requests.get(url, timeout=30)
    assert (answer.status_code, answer.content) == (200, CLIP)
    assert answer.headers["Content-Type"] == "video/mp4"
    named = answer.headers["Content-Disposition"]
    assert named == "attachment; filename=\"Gr__e 1.mp4\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.mp4"


def test_a_link_gives_ranges_and_nothing_else(s3: S3Store, clip: str) -> None:
    url = s3.sign(clip, filename="h.mp4", seconds=60).url
    answer = requests.get(url, headers={"Range": "bytes=256-511"}, timeout=30)
    assert (answer.status_code, answer.content) == (206, bytes(range(256)))
    assert requests.put(url, data=b"other", timeout=30).status_code == 403
    assert requests.delete(url, timeout=30).status_code == 403
    assert requests.get(url.replace("r.mp4", "s.mp4"), timeout=30).status_code == 403


def test_a_link_ends(s3: S3Store, clip: str) -> None:
    signed = s3.sign(clip, filename="h.mp4", seconds=1)
    assert signed.expires_at <= datetime.now(UTC) + timedelta(seconds=1)
    eventually(lambda: requests.get(signed.url, timeout=30).status_code == 403, every=0.1)


def test_a_link_lasts_seven_days_at_most(s3: S3Store) -> None:
    signed = s3.sign(KEY, filename="h.mp4", seconds=30 * 24 * 3600)
    assert abs(signed.expires_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)


def test_links_have_the_public_address(seaweed: Seaweed, s3: S3Store, s3_bucket: str, clip: str) -> None:
    with TcpProxy(seaweed.host_port) as public:
        endpoint = Endpoint(
            seaweed.url, public_url=f"http://{public.host_port}", credentials=seaweed.credentials
        )
        store = S3Store(s3_bucket, endpoint)
        url = store.sign(clip, filename="h.mp4", seconds=60).url
        assert urlsplit(url).netloc == public.host_port
        assert requests.get(url, timeout=30).content == CLIP
        store.close()


def test_a_link_to_a_document_is_found_to_be_good(s3: S3Store) -> None:
    s3.replace("ha/main/signing/nas-1", b"{}", expected=None)
    url = sign_and_verify(s3, "ha/main/signing/nas-1", SystemClock())
    assert fetch(url, b"{}").state == "good"
    assert fetch(url, b"[]").state == "refused"
    s3.delete("ha/main/signing/nas-1")
    assert fetch(url, b"{}").state == "missing"


def _temporary(environ: pytest.MonkeyPatch, **more: str) -> S3Store:
    environ.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    environ.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    environ.setenv("AWS_SESSION_TOKEN", "token")
    for name, value in more.items():
        environ.setenv(name, value)
    return S3Store("clips", Endpoint("https://s3.example.com"))


def test_a_link_ends_with_temporary_credentials(no_aws: pytest.MonkeyPatch) -> None:
    expiry = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    store = _temporary(no_aws, AWS_CREDENTIAL_EXPIRATION=expiry.isoformat())
    signed = store.sign(KEY, filename="h.mp4", seconds=24 * 3600)
    assert signed.expires_at == expiry
    assert "X-Amz-Security-Token=token" in signed.url
    assert store.sign(KEY, filename="h.mp4", seconds=60).expires_at < expiry


def test_temporary_credentials_of_unknown_length_count_for_an_hour(no_aws: pytest.MonkeyPatch) -> None:
    signed = _temporary(no_aws).sign(KEY, filename="h.mp4", seconds=24 * 3600)
    assert abs(signed.expires_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)


def test_without_credentials_no_link_is_signed(no_aws: pytest.MonkeyPatch) -> None:
    with pytest.raises(SigningUnavailable, match=r"could not sign a link to clips/h/r\.mp4: the credentials"):
        S3Store("clips", Endpoint("https://s3.example.com")).sign(KEY, filename="h.mp4", seconds=60)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        (Endpoint(region="eu-west-1"), "https://clips.s3.eu-west-1.amazonaws.com/clips/h/r.mp4"),
        (Endpoint(), "https://clips.s3.amazonaws.com/clips/h/r.mp4"),
        (
            Endpoint("https://0123.r2.cloudflarestorage.com", region="auto"),
            "https://0123.r2.cloudflarestorage.com/clips/clips/h/r.mp4",
        ),
        (Endpoint("http://minio.lan:9000"), "http://minio.lan:9000/clips/clips/h/r.mp4"),
    ],
)
def test_the_address_is_as_the_store_expects_it(
    no_aws: pytest.MonkeyPatch, endpoint: Endpoint, address: str
) -> None:
    no_aws.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    no_aws.setenv("AWS_ENDPOINT_URL", "http://elsewhere.example.com")
    url = S3Store("clips", endpoint).sign(KEY, filename="h.mp4", seconds=60).url
    assert url.partition("?")[0] == address
