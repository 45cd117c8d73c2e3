from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import google.oauth2.credentials
import pytest
import requests
from google.auth import compute_engine
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.cloud.storage import Client

from clipping.errors import SigningUnavailable, StoreUnavailable
from clipping.store.disposition import attachment
from clipping.store.gcs import GcsStore
from clipping.store.gcs_credentials import Identity
from clipping.store.gcs_failures import unsignable
from tests.support import v4
from tests.support.gcs import ServiceAccount
from tests.support.iam import LocalIam

KEY = "clips/h/clip-1.mp4"


def test_a_link_is_signed_as_google_checks_it(gcs: GcsStore, account: ServiceAccount) -> None:
    signed = gcs.sign(KEY, filename='Tör "1".mp4', seconds=3600)
    query = v4.verify(signed.url, key=account.public_key, now=datetime.now(UTC))
    assert query == {"response-content-disposition": attachment('Tör "1".mp4')}
    last = signed.expires_at - timedelta(seconds=1)
    v4.verify(signed.url, key=account.public_key, now=last)
    with pytest.raises(v4.Refused, match="Expired"):
        v4.verify(signed.url, key=account.public_key, now=signed.expires_at)


def test_a_link_that_was_changed_is_refused(
    gcs: GcsStore, account: ServiceAccount, tmp_path_factory: pytest.TempPathFactory
) -> None:
    now = datetime.now(UTC)
    url = gcs.sign(KEY, filename="h.mp4", seconds=60).url
    for old, new in (
        ("clip-1.mp4", "clip-2.mp4"),
        ("X-Goog-Expires=60", "X-Goog-Expires=600"),
        ("h.mp4", "other.mp4"),
        ("X-Goog-Signature=", "X-Goog-Signature=00"),
        ("GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256"),
        (url[-4:], "0000" if url[-4:] != "0000" else "1111"),
        ("127.0.0.1", "127.0.0.2"),
    ):
        assert old in url
        with pytest.raises(v4.Refused):
            v4.verify(url.replace(old, new), key=account.public_key, now=now)
    other = ServiceAccount(tmp_path_factory.mktemp("other"))
    with pytest.raises(v4.Refused, match="SignatureDoesNotMatch"):
        v4.verify(url, key=other.public_key, now=now)


def test_a_link_lasts_seven_days_at_most(gcs: GcsStore, account: ServiceAccount) -> None:
    for seconds in (7 * 24 * 3600, 30 * 24 * 3600):
        signed = gcs.sign(KEY, filename="h.mp4", seconds=seconds)
        v4.verify(signed.url, key=account.public_key, now=datetime.now(UTC))
        assert abs(signed.expires_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)


def test_a_link_downloads_the_clip(gcs: GcsStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = tmp_path_factory.mktemp("clip") / "source"
    source.write_bytes(b"clip")
    gcs.create(KEY, source, content_type="video/mp4", metadata={})
    answer = requests.get(gcs.sign(KEY, filename="h.mp4", seconds=60).url, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"clip")


def test_the_public_store_is_signed_for_without_an_emulator(
    account: ServiceAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.key_file))
    store = GcsStore("clips")
    url = store.sign(KEY, filename="h.mp4", seconds=60).url
    assert url.startswith(f"https://storage.googleapis.com/clips/{KEY}?")
    v4.verify(url, key=account.public_key, now=datetime.now(UTC))
    store.close()


def test_without_a_key_iam_signs(account: ServiceAccount) -> None:
    """As on Cloud Run: an account that the metadata server names, and no key."""
    iam = LocalIam(account)
    who = Identity(AnonymousCredentials(), compute_engine.Credentials(universe_domain="googleapis.com"))
    blob = Client(project=None, credentials=AnonymousCredentials()).bucket("clips").blob(KEY)
    url = blob.generate_signed_url(version="v4", expiration=timedelta(hours=1), credentials=who.signing(iam))
    v4.verify(url, key=account.public_key, now=datetime.now(UTC))
    iam.allowed = False
    with pytest.raises(TransportError, match="signBlob"):
        who.signing(iam).sign_bytes(b"x")


def test_a_users_login_can_not_sign_and_says_what_to_do(account: ServiceAccount) -> None:
    login = google.oauth2.credentials.Credentials(token="t")
    with pytest.raises(DefaultCredentialsError, match="impersonate-service-account"):
        Identity(login, login).signing(LocalIam(account))


def test_with_an_emulator_and_no_key_the_remedy_is_named(
    gcs_server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    with pytest.raises(SigningUnavailable, match="set GOOGLE_APPLICATION_CREDENTIALS"):
        GcsStore("clips").sign(KEY, filename="h.mp4", seconds=60)


def test_without_any_credentials_it_is_the_store_that_can_not_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StoreUnavailable, match="credentials for Cloud Storage are missing"):
        GcsStore("clips").sign(KEY, filename="h.mp4", seconds=60)


def refusal(code: int, message: str) -> bytes:
    """As Google formats it."""
    return json.dumps({"error": {"code": code, "message": message, "status": "X"}}, indent=2).encode()


ROLE = "roles/iam.serviceAccountTokenCreator"
DENIED = "Permission 'iam.serviceAccounts.signBlob' denied on resource (or it may not exist)."
DISABLED = "IAM Service Account Credentials API has not been used in project 7 before or it is disabled."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            TransportError(f"Error calling the IAM signBlob API: {refusal(403, DENIED)!r}"),
            (
                "Permission 'iam.serviceAccounts.signBlob' denied",
                f"{ROLE} on a@b",
            ),
        ),
        (
            TransportError(f"Error calling sign_bytes: {json.loads(refusal(403, DENIED))}"),
            ("signBlob", f"grant {ROLE} on a@b"),
        ),
        (
            TransportError(f"Error calling the IAM signBlob API: {refusal(403, DISABLED)!r}"),
            ("gcloud services enable iamcredentials.googleapis.com",),
        ),
        (
            TransportError(f"Error calling the IAM signBlob API: {refusal(404, 'Not found')!r}"),
            ("the service account a@b does not exist",),
        ),
        (
            TransportError(f"Error calling the IAM signBlob API: {refusal(429, 'Quota')!r}"),
            ("quota for signBlob",),
        ),
        (TransportError("exhausted signBlob endpoint retries"), ("IAM can't be reached (exhausted",)),
        (
            TransportError("HTTPSConnectionPool(host='x', port=443): Max retries: Connection refused)"),
            ("IAM can't be reached (Connection refused)",),
        ),
        (RefreshError("invalid_grant: the key was deleted"), ("a@b were rejected", "the key was deleted")),
        (DefaultCredentialsError("no credentials"), ("no credentials",)),
    ],
)
def test_a_failure_to_sign_says_what_to_change(error: Exception, words: tuple[str, ...]) -> None:
    failure = unsignable(KEY, "a@b", error)
    assert isinstance(failure, SigningUnavailable)
    assert failure.message.startswith(f"could not sign a link to {KEY}: ")
    for word in words:
        assert word in failure.message
    assert "\\" not in failure.message
    assert "\n" not in failure.message
