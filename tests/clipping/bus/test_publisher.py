from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery
from clipping.errors import BusUnavailable
from tests.clipping.bus.conftest import PROJECT, Start
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually


def test_a_published_message_has_an_id_and_arrives_unchanged(
    topic: str, publisher: Publisher, start: Start
) -> None:
    got: list[Delivery] = []

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        got.append(delivery)

    start(keep)
    message_id = publisher.publish(topic, b'{"a": "\xc3\xa4"}', {"lane": "interactive", "request_id": "r1"})
    delivery = eventually(lambda: got)[0]
    assert delivery.message_id == message_id
    assert delivery.data == b'{"a": "\xc3\xa4"}'
    assert delivery.attributes == {"lane": "interactive", "request_id": "r1"}
    assert delivery.attempt == 1
    assert abs(delivery.published_at.timestamp() - time.time()) < 60


def test_messages_of_one_call_arrive_apart(topic: str, publisher: Publisher, start: Start) -> None:
    got: dict[str, tuple[bytes, str]] = {}

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        got[delivery.message_id] = (delivery.data, delivery.attributes["n"])

    start(keep)
    ids = publisher.publish_all(topic, [(b"%d" % n, {"n": str(n)}) for n in range(20)])
    eventually(lambda: len(got) >= 20)
    assert got == {each: (b"%d" % n, str(n)) for n, each in enumerate(ids)}


def test_no_message_of_a_refused_call_arrives(topic: str, publisher: Publisher, start: Start) -> None:
    got: list[bytes] = []

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        got.append(delivery.data)

    start(keep)
    with pytest.raises(BusUnavailable, match=f"publish to {topic}"):
        publisher.publish_all(topic, [(b"good", {}), (b"bad", {"x" * 257: ""})])
    publisher.publish(topic, b"last", {})
    assert eventually(lambda: got) == [b"last"]


def test_a_message_above_grpcs_default_limit_arrives(topic: str, publisher: Publisher, start: Start) -> None:
    got: list[int] = []

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        got.append(len(delivery.data))

    start(keep)
    publisher.publish(topic, b"x" * (6 << 20), {})
    assert eventually(lambda: got) == [6 << 20]


def test_a_missing_topic_is_named_with_the_remedy(broker: BrokerProcess, publisher: Publisher) -> None:
    with pytest.raises(BusUnavailable, match=r"publish to nowhere.*not found.*clipping-agent provision"):
        publisher.publish("nowhere", b"x", {})


def test_a_broker_that_is_gone_fails_the_publish_within_its_time(
    broker: BrokerProcess, topic: str, publisher: Publisher
) -> None:
    broker.kill()
    begin = time.monotonic()
    with pytest.raises(BusUnavailable, match=f"publish to {topic}.*{broker.host_port} can't be reached"):
        publisher.publish(topic, b"x", {}, timeout_seconds=2)
    assert time.monotonic() - begin < 10


def test_a_broker_that_hangs_fails_the_publish_within_its_time(
    broker: BrokerProcess, topic: str, publisher: Publisher
) -> None:
    publisher.publish(topic, b"x", {})
    broker.freeze()
    try:
        begin = time.monotonic()
        with pytest.raises(BusUnavailable, match="did not answer in time"):
            publisher.publish(topic, b"x", {}, timeout_seconds=2)
        assert time.monotonic() - begin < 10
    finally:
        broker.thaw()


def test_a_publish_waits_out_a_short_outage(broker: BrokerProcess, topic: str, publisher: Publisher) -> None:
    publisher.publish(topic, b"before", {})
    broker.kill()
    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(publisher.publish, topic, b"during", {}, timeout_seconds=60)
        with pytest.raises(TimeoutError):
            publishing.result(1.0)
        broker.start()
        assert publishing.result(60)


def test_threads_share_a_publisher(topic: str, publisher: Publisher) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: publisher.publish(topic, str(n).encode(), {}), range(100)))
    assert len(set(ids)) == 100


def test_a_closed_publisher_refuses(topic: str) -> None:
    publisher = Publisher(PROJECT, timeout_seconds=20)
    publisher.publish(topic, b"x", {})
    publisher.close()
    with pytest.raises(BusUnavailable, match="closed"):
        publisher.publish(topic, b"x", {})


def test_closing_waits_for_the_message_on_its_way_until_its_timeout(
    broker: BrokerProcess, topic: str
) -> None:
    publisher = Publisher(PROJECT, timeout_seconds=20)
    publisher.publish(topic, b"x", {})
    broker.freeze()
    try:
        with ThreadPoolExecutor(1) as pool:
            publishing = pool.submit(publisher.publish, topic, b"y", {}, timeout_seconds=30)
            eventually(lambda: publisher._connection._users, "the publish to be under way")
            begin = time.monotonic()
            publisher.close(timeout=1)
            assert 0.9 <= time.monotonic() - begin < 10
            broker.thaw()
            assert publishing.result(60)
    finally:
        broker.thaw()
