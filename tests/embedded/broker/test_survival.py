"""The embedded broker survives kill -9: confirmed data is not lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing

import pytest
from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError

from embedded.broker.storage.schema import FILE
from tests.embedded.broker.bus import RPC_SECONDS, Bus, Inbox
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually


def on_disk(broker: BrokerProcess) -> list[tuple[int, bool]]:
    """The attempts of each unacknowledged message in the database, and whether it is leased."""
    with closing(sqlite3.connect(broker.data / FILE)) as database:
        rows = database.execute("SELECT attempts, available_at FROM backlog").fetchall()
    return [(attempts, available_at > 0) for attempts, available_at in rows]


def test_topics_and_subscriptions_survive(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair(
        ack_deadline_seconds=42, filter="attributes:lane", retry_policy={"minimum_backoff": {"seconds": 3}}
    )
    deleted = own_bus.topic()
    own_bus.publisher.delete_topic(topic=deleted, timeout=RPC_SECONDS)
    before = own_bus.subscriber.get_subscription(subscription=subscription, timeout=RPC_SECONDS)
    broker.restart()
    assert own_bus.subscriber.get_subscription(subscription=subscription, timeout=RPC_SECONDS) == before
    assert own_bus.publisher.get_topic(topic=topic, timeout=RPC_SECONDS).name == topic
    with pytest.raises(NotFound):
        own_bus.publisher.get_topic(topic=deleted, timeout=RPC_SECONDS)


def test_published_messages_survive(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair()
    (identifier,) = own_bus.publish(topic, b"kept", lane="batch")
    broker.restart()
    (received,) = own_bus.pull(subscription)
    assert (received.message.data, received.message.message_id) == (b"kept", identifier)
    assert dict(received.message.attributes) == {"lane": "batch"}


def test_message_ids_continue_after_a_restart(broker: BrokerProcess, own_bus: Bus) -> None:
    topic = own_bus.topic()
    (before,) = own_bus.publish(topic, b"x")
    broker.restart()
    (after,) = own_bus.publish(topic, b"x")
    assert int(after) > int(before)


def test_acknowledgements_survive(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair()
    own_bus.publish(topic, b"done", b"not done")
    received = {m.message.data: m for m in own_bus.pull(subscription, 2)}
    own_bus.modify(subscription, 1, *received.values())
    own_bus.ack(subscription, received[b"done"])
    broker.restart()
    assert own_bus.pull(subscription)[0].message.data == b"not done"
    own_bus.assert_quiet(subscription)


def test_leases_survive(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair(ack_deadline_seconds=600)
    own_bus.publish(topic, b"held", b"free")
    held, free = own_bus.pull(subscription, 2)
    own_bus.modify(subscription, 0, free)
    eventually(lambda: [leased for _, leased in on_disk(broker)].count(True) == 1, "the lease on disk")
    broker.restart()
    assert own_bus.pull(subscription)[0].message.data == free.message.data
    own_bus.assert_quiet(subscription)
    # The client is still alive, and its lease from before the kill is valid.
    own_bus.modify(subscription, 0, held)
    assert own_bus.pull(subscription)[0].message.data == held.message.data


def test_an_ack_id_from_before_the_kill_is_valid_after_it(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair()
    own_bus.publish(topic, b"done in the meantime")
    (received,) = own_bus.pull(subscription)
    broker.restart()
    own_bus.ack(subscription, received)
    broker.restart()
    own_bus.assert_quiet(subscription, 2)


def test_delivery_attempts_survive(broker: BrokerProcess, own_bus: Bus) -> None:
    policy = {"dead_letter_topic": own_bus.topic(), "max_delivery_attempts": 5}
    topic, subscription = own_bus.pair(dead_letter_policy=policy)
    own_bus.publish(topic, b"counted")
    for _ in range(2):
        own_bus.modify(subscription, 0, *own_bus.pull(subscription))
    eventually(lambda: on_disk(broker) == [(2, False)], "the attempts on disk")
    broker.restart()
    assert own_bus.pull(subscription)[0].delivery_attempt == 3


def test_everything_survives_a_graceful_stop(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair(ack_deadline_seconds=600)
    own_bus.publish(topic, b"held", b"free")
    _, free = own_bus.pull(subscription, 2)
    own_bus.modify(subscription, 0, free)
    assert broker.stop() == 0
    broker.start()
    assert own_bus.pull(subscription)[0].message.data == free.message.data
    own_bus.assert_quiet(subscription)


@pytest.mark.slow
def test_a_streaming_client_reconnects_after_a_kill(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair()
    inbox = Inbox()
    with own_bus.receiving(subscription, inbox):
        own_bus.publish(topic, b"before")
        inbox.wait(1)
        broker.restart()
        own_bus.publish(topic, b"after")
        inbox.wait(2)
    assert b"after" in inbox.bodies


@pytest.mark.slow
def test_a_streaming_client_reconnects_after_a_graceful_stop(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair()
    inbox = Inbox()
    with own_bus.receiving(subscription, inbox):
        own_bus.publish(topic, b"before")
        inbox.wait(1)
        assert broker.stop() == 0
        broker.start()
        own_bus.publish(topic, b"after")
        inbox.wait(2)
    assert b"after" in inbox.bodies


@pytest.mark.slow
def test_every_confirmed_publish_survives_kills_under_load(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair(ack_deadline_seconds=600)
    confirmed: list[bytes] = []
    enough = threading.Event()

    def publish() -> None:
        number = 0
        while not enough.is_set():
            bodies = [f"{number}-{part}".encode() for part in range(20)]
            number += 1
            try:
                own_bus.publish(topic, *bodies)
            except (GoogleAPICallError, RetryError):
                continue  # not confirmed: may be stored or not
            confirmed.extend(bodies)

    publishing = threading.Thread(target=publish, name="publishing")
    publishing.start()
    for _ in range(3):
        time.sleep(1)
        broker.restart()
    time.sleep(0.5)
    enough.set()
    publishing.join()

    assert len(confirmed) > 100
    missing = set(confirmed)
    while missing:
        received = own_bus.pull_now(subscription, 1000)
        assert received, f"{len(missing)} of {len(confirmed)} confirmed messages are lost"
        missing -= {message.message.data for message in received}
        own_bus.ack(subscription, *received)
