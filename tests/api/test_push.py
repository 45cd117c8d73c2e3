"""Messages that Pub/Sub pushes, and who may push."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from api.auth.callers import bearer
from api.auth.certificates import Certificates
from api.auth.oidc import PushVerifier
from clipping.clock import ManualClock
from clipping.config import Push
from clipping.contract.messages import CompletionMessage
from clipping.errors import Forbidden, QueueUnavailable, Unauthorized
from embedded.layout import free_port
from tests.api.api_process import ApiProcess
from tests.api.conftest import MakeApi
from tests.api.messages import completed, progress
from tests.support.broker import BrokerProcess
from tests.support.oidc import CertificateServer, Signer
from tests.support.waiting import eventually

AUDIENCE = "https://clips.example.com/v1/internal/pubsub"
ACCOUNT = "push@clips.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer("key-1", audience=AUDIENCE, email=ACCOUNT)


@pytest.fixture(scope="module")
def foreign() -> Signer:
    return Signer("key-1", audience=AUDIENCE, email=ACCOUNT)


@pytest.fixture
def certificates(signer: Signer) -> Iterator[CertificateServer]:
    server = CertificateServer([signer])
    yield server
    server.close()


def verifier(certificates: CertificateServer) -> PushVerifier:
    config = Push(audience=AUDIENCE, service_account=ACCOUNT, certs_url=certificates.url)
    return PushVerifier(config, ManualClock())


def test_a_token_of_the_account_is_accepted(certificates: CertificateServer, signer: Signer) -> None:
    check = verifier(certificates)
    for _ in range(5):
        assert check.verify(signer.token()) == ACCOUNT
    check.verify(signer.token(iss="accounts.google.com"))
    check.verify(signer.token(email=ACCOUNT.upper()))
    assert certificates.asked == 1


@pytest.mark.parametrize(
    "over",
    [
        {"aud": "https://other.example.com"},
        {"aud": None},
        {"aud": ""},
        {"iss": "https://evil.example.com"},
        {"iss": None},
        {"iss": ["https://accounts.google.com"]},
        {"exp": 1},
        {"exp": None},
        {"iat": 9999999999},
        {"iat": "x"},
    ],
    ids=str,
)
def test_a_token_for_something_else_is_refused(
    certificates: CertificateServer, signer: Signer, over: dict[str, Any]
) -> None:
    with pytest.raises(Unauthorized):
        verifier(certificates).verify(signer.token(**over))


@pytest.mark.parametrize(
    "over",
    [{"email": "other@clips.iam.gserviceaccount.com"}, {"email": None}, {"email_verified": False}],
    ids=str,
)
def test_a_token_of_another_account_is_forbidden(
    certificates: CertificateServer, signer: Signer, over: dict[str, Any]
) -> None:
    with pytest.raises(Forbidden):
        verifier(certificates).verify(signer.token(**over))


def test_a_forged_token_is_refused(certificates: CertificateServer, signer: Signer, foreign: Signer) -> None:
    head, body, signature = signer.token().split(".")
    other_body = signer.token(email="x").split(".")[1]
    none = base64.urlsafe_b64encode(b'{"alg": "none", "kid": "key-1"}').decode().rstrip("=")
    hmac = base64.urlsafe_b64encode(b'{"alg": "HS256", "kid": "key-1"}').decode().rstrip("=")
    forged = [
        foreign.token(),
        f"{head}.{other_body}.{signature}",
        f"{head}.{body}.",
        f"{none}.{body}.",
        f"{hmac}.{body}.{signature}",
        "a.b.c",
        "...",
        "",
        "ü",
    ]
    check = verifier(certificates)
    for token in forged:
        with pytest.raises(Unauthorized):
            check.verify(token)
    for authorization in ("", "Bearer", f"Basic {signer.token()}", signer.token()):
        with pytest.raises(Unauthorized):
            bearer(authorization)


def test_a_new_key_is_fetched_once_in_a_while(certificates: CertificateServer, signer: Signer) -> None:
    clock = ManualClock()
    keys = Certificates(certificates.url, clock)
    assert set(keys.get("key-1")) == {"key-1"}
    certificates.signers = [signer, Signer("key-2", audience=AUDIENCE, email=ACCOUNT)]
    for _ in range(10):
        assert set(keys.get("key-2")) == {"key-1"}
    assert certificates.asked == 1
    clock.advance(31)
    assert set(keys.get("key-2")) == {"key-1", "key-2"}
    clock.advance(500)
    keys.get("key-1")
    assert certificates.asked == 2
    clock.advance(200)
    keys.get("key-1")
    assert certificates.asked == 3


def test_expired_certificates_are_used_for_a_day(certificates: CertificateServer) -> None:
    clock = ManualClock()
    keys = Certificates(certificates.url, clock)
    keys.get("key-1")
    certificates.broken = True
    clock.advance(80_000)
    assert set(keys.get("key-1")) == {"key-1"}
    clock.advance(20_000)
    with pytest.raises(QueueUnavailable):
        keys.get("key-1")
    certificates.broken = False
    clock.advance(31)
    assert set(keys.get("key-1")) == {"key-1"}


def test_without_certificates_all_tokens_are_refused_and_fetches_are_limited(
    certificates: CertificateServer,
) -> None:
    clock = ManualClock()
    keys = Certificates(certificates.url, clock)
    certificates.broken = True
    for _ in range(10):
        with pytest.raises(QueueUnavailable):
            keys.get("key-1")
    assert certificates.asked == 1
    certificates.broken = False
    clock.advance(3)
    assert set(keys.get("key-1")) == {"key-1"}


def test_known_signers_do_not_wait_for_new_certificates(certificates: CertificateServer) -> None:
    clock = ManualClock()
    keys = Certificates(certificates.url, clock)
    keys.get("key-1")
    clock.advance(1000)
    certificates.hold.clear()
    asking = threading.Thread(target=keys.get, args=("key-1",), name="asking")
    asking.start()
    eventually(lambda: certificates.asked == 2)
    began = time.monotonic()
    assert set(keys.get("key-1")) == {"key-1"}
    assert time.monotonic() - began < 20  # asking takes as long as the certificates are held
    certificates.hold.set()
    asking.join(30)
    assert not asking.is_alive()


@pytest.fixture
def pushed(make_api: MakeApi, certificates: CertificateServer) -> ApiProcess:
    push = {"audience": AUDIENCE, "service_account": ACCOUNT, "certs_url": certificates.url}
    # The subscriptions' endpoint is an address where nothing listens: the tests push by themselves.
    return make_api(api={"push": push, "public_url": "http://127.0.0.1:9"})


def push(api: ApiProcess, signer: Signer, body: bytes) -> requests.Response:
    headers = {"Authorization": f"Bearer {signer.token()}", "Content-Type": "application/json"}
    return api.post("/v1/internal/pubsub", data=body, headers=headers)


def envelope(api: ApiProcess, kind: str, data: bytes, **attributes: str) -> bytes:
    name = f"projects/{api.config.pubsub.project}/subscriptions/clipping-api-{kind}"
    message = {"data": base64.b64encode(data).decode(), "attributes": attributes, "messageId": "17"}
    return json.dumps({"message": message, "subscription": name, "deliveryAttempt": 1}).encode()


def test_pushed_messages_move_the_request(pushed: ApiProcess, signer: Signer) -> None:
    request_id = pushed.request().json()["request_id"]
    moving = progress(request_id=request_id).to_json()
    assert push(pushed, signer, envelope(pushed, "progress", moving)).status_code == 204
    assert pushed.status(request_id)["status"] == "processing"
    done: CompletionMessage = completed(request_id=request_id)
    for _ in range(2):
        answer = push(pushed, signer, envelope(pushed, "complete", done.to_json()))
        assert (answer.status_code, answer.content) == (204, b"")
    assert pushed.status(request_id)["status"] == "completed"
    assert pushed.get("/health").json()["status"] == "healthy"


def test_what_cannot_be_read_is_stored_aside(pushed: ApiProcess, signer: Signer) -> None:
    other = envelope(pushed, "complete", b"{}").replace(b"clipping-api-complete", b"another")
    not_base64 = envelope(pushed, "complete", b"{}").replace(base64.b64encode(b"{}"), b"***")
    bodies = [b"", b"{", b"[]", b"\xff", b'{"message": 1}', other, not_base64]
    bodies += [envelope(pushed, kind, b"no JSON") for kind in ("complete", "progress", "dead-letter")]
    for body in bodies:
        assert push(pushed, signer, body).status_code == 204
    assert pushed.counts()["parked_messages"] == len(bodies)


def test_only_the_configured_account_may_push(pushed: ApiProcess, signer: Signer, foreign: Signer) -> None:
    body = envelope(pushed, "complete", completed().to_json())
    for token, expected in [
        ("client-key", (401, "UNAUTHORIZED")),
        (foreign.token(), (401, "UNAUTHORIZED")),
        (signer.token(email="x@example.com"), (403, "FORBIDDEN")),
    ]:
        answer = pushed.post("/v1/internal/pubsub", data=body, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == expected
    assert pushed.counts()["parked_messages"] == 0


def test_the_broker_pushes_with_a_token_we_accept(make_api: MakeApi, broker: BrokerProcess) -> None:
    push = {"audience": AUDIENCE, "service_account": ACCOUNT, "certs_url": broker.certs_url}
    port = free_port()
    api = make_api(api={"push": push, "port": port, "public_url": f"http://127.0.0.1:{port}"})
    request_id = api.request().json()["request_id"]
    api.send(completed(request_id=request_id))
    api.wait_for_status(request_id, "completed")
    assert eventually(lambda: api.get("/health").json()["status"] == "healthy")
