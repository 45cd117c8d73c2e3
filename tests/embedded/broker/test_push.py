"""Push subscriptions."""

from __future__ import annotations

import base64
import socket
import stat
import time
from typing import Any

import google.auth.transport.requests
import pytest
import requests
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import id_token

from tests.embedded.broker.bus import PATIENCE_SECONDS, RPC_SECONDS, Bus
from tests.embedded.broker.receiver import Receiver
from tests.support.broker import BrokerProcess

EMAIL = "pusher@clipping-local.iam.gserviceaccount.com"


def push_to(receiver: Receiver, **oidc: str) -> dict[str, Any]:
    config: dict[str, Any] = {"push_endpoint": receiver.url}
    if oidc:
        config["oidc_token"] = oidc
    return {"push_config": config}


def test_a_message_is_pushed_wrapped(bus: Bus) -> None:
    with Receiver() as receiver:
        topic, subscription = bus.pair(**push_to(receiver))
        (identifier,) = bus.publish(topic, b"\x00pushed", lane="batch")
        (push,) = receiver.wait(1)
        assert push.headers["Content-Type"] == "application/json"
        assert push.body["subscription"] == subscription
        message = push.body["message"]
        assert base64.b64decode(message["data"]) == b"\x00pushed"
        assert message["attributes"] == {"lane": "batch"}
        assert message["messageId"] == message["message_id"] == identifier
        assert message["publishTime"].endswith("Z")


def test_a_message_is_pushed_until_the_endpoint_accepts_it(bus: Bus) -> None:
    with Receiver([500, 503, 404, 200]) as receiver:
        topic, _ = bus.pair(**push_to(receiver))
        bus.publish(topic, b"stubborn")
        pushes = receiver.wait(4)
        time.sleep(1)
        assert len(receiver.pushes) == 4
        assert len({push.body["message"]["messageId"] for push in pushes}) == 1


def test_the_retry_policy_applies_to_pushes(own_bus: Bus) -> None:
    with Receiver([500, 200]) as receiver:
        topic, _ = own_bus.pair(**push_to(receiver), retry_policy={"minimum_backoff": {"seconds": 2}})
        own_bus.publish(topic, b"later")
        receiver.wait(1)
        begin = time.monotonic()
        receiver.wait(2)
        assert time.monotonic() - begin > 1.5


def test_a_push_that_always_fails_becomes_a_dead_letter(own_bus: Bus) -> None:
    dead_topic = own_bus.topic()
    dead = own_bus.subscription(dead_topic)
    policy = {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
    with Receiver([500]) as receiver:
        topic, _ = own_bus.pair(**push_to(receiver), dead_letter_policy=policy)
        own_bus.publish(topic, b"unwanted")
        assert own_bus.pull(dead)[0].message.data == b"unwanted"
        assert [push.body["deliveryAttempt"] for push in receiver.pushes] == [1, 2, 3, 4, 5]


def test_a_push_has_a_token_that_the_brokers_certificates_verify(broker: BrokerProcess, own_bus: Bus) -> None:
    with Receiver() as receiver:
        config = push_to(receiver, service_account_email=EMAIL, audience="https://api.example.com/push")
        topic, _ = own_bus.pair(**config)
        own_bus.publish(topic, b"signed")
        (push,) = receiver.wait(1)
    kind, _, token = push.headers["Authorization"].partition(" ")
    assert kind == "Bearer"
    claims = verify(token, "https://api.example.com/push", broker.certs_url)
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["email"] == EMAIL
    assert claims["email_verified"] is True
    assert claims["iat"] < time.time() + 10 < claims["exp"]
    with pytest.raises((GoogleAuthError, ValueError)):
        verify(token, "https://another.example.com", broker.certs_url)
    with pytest.raises((GoogleAuthError, ValueError)):
        verify(token[:-8] + "AAAAAAAA", "https://api.example.com/push", broker.certs_url)


def test_the_endpoint_is_the_default_audience(broker: BrokerProcess, own_bus: Bus) -> None:
    with Receiver() as receiver:
        topic, _ = own_bus.pair(**push_to(receiver, service_account_email=EMAIL))
        own_bus.publish(topic, b"signed")
        (push,) = receiver.wait(1)
        token = push.headers["Authorization"].partition(" ")[2]
        assert verify(token, receiver.url, broker.certs_url)["aud"] == receiver.url


def test_a_push_without_an_account_has_no_token(bus: Bus) -> None:
    with Receiver() as receiver:
        topic, _ = bus.pair(**push_to(receiver))
        bus.publish(topic, b"unsigned")
        (push,) = receiver.wait(1)
        assert "Authorization" not in push.headers


def test_the_signing_key_is_persistent_and_private(broker: BrokerProcess) -> None:
    certificates = requests.get(broker.certs_url, timeout=RPC_SECONDS).json()
    broker.restart()
    assert requests.get(broker.certs_url, timeout=RPC_SECONDS).json() == certificates
    key = broker.data / "push-signing-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_an_unresponsive_endpoint_does_not_delay_the_brokers_stop(
    broker: BrokerProcess, own_bus: Bus
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        topic, _ = own_bus.pair(push_config={"push_endpoint": endpoint}, ack_deadline_seconds=600)
        own_bus.publish(topic, b"unanswered")
        silent.settimeout(PATIENCE_SECONDS)
        connection, _ = silent.accept()
        with connection:
            assert broker.stop() == 0


def test_only_certificates_are_served_over_http(broker: BrokerProcess) -> None:
    other = broker.certs_url.rpartition("/")[0] + "/anything"
    assert requests.get(other, timeout=RPC_SECONDS).status_code == 404


def test_a_subscription_can_change_from_pull_to_push_and_back(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"first")
    with Receiver() as receiver:
        config = {"push_endpoint": receiver.url}
        bus.subscriber.modify_push_config(subscription=subscription, push_config=config, timeout=RPC_SECONDS)
        receiver.wait(1)
        bus.subscriber.modify_push_config(subscription=subscription, push_config={}, timeout=RPC_SECONDS)
    bus.publish(topic, b"second")
    assert bus.pull(subscription)[0].message.data == b"second"


def test_pushing_resumes_after_the_broker_is_killed(broker: BrokerProcess, own_bus: Bus) -> None:
    with Receiver([500, 500, 200]) as receiver:
        topic, _ = own_bus.pair(**push_to(receiver))
        own_bus.publish(topic, b"survivor")
        receiver.wait(1)
        broker.restart()
        pushes = receiver.wait(3)
    assert all(base64.b64decode(push.body["message"]["data"]) == b"survivor" for push in pushes)


def verify(token: str, audience: str, certs_url: str) -> dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False
        request = google.auth.transport.requests.Request(session=session)
        claims: dict[str, Any] = id_token.verify_token(token, request, audience=audience, certs_url=certs_url)
    return claims
