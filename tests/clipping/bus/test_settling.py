from __future__ import annotations

import threading
import time

import pytest

from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery
from clipping.errors import BusUnavailable, NoSpace
from tests.clipping.bus.conftest import LEASE_SECONDS, Start
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually


class OnceWrong:
    """Does `wrong` with the first delivery, and acknowledges the second."""

    def __init__(self, wrong: object) -> None:
        self.wrong = wrong
        self.attempts: list[int] = []
        self.acknowledged = threading.Event()

    def __call__(self, delivery: Delivery) -> None:
        self.attempts.append(delivery.attempt)
        if len(self.attempts) == 1:
            if isinstance(self.wrong, Exception):
                raise self.wrong
            return
        delivery.acknowledge()
        self.acknowledged.set()


@pytest.mark.parametrize("wrong", [RuntimeError("a bug"), NoSpace("The disk is full."), None], ids=str)
def test_an_unsettled_message_is_redelivered_at_once(
    wrong: object, topic: str, publisher: Publisher, start: Start
) -> None:
    handler = OnceWrong(wrong)
    start(handler)
    publisher.publish(topic, b"x", {})
    begin = time.monotonic()
    assert handler.acknowledged.wait(60)
    assert handler.attempts == [1, 2]
    assert time.monotonic() - begin < LEASE_SECONDS, "it waited for the lease to run out"


def test_a_failing_handler_does_not_stop_the_others(topic: str, publisher: Publisher, start: Start) -> None:
    done: set[bytes] = set()

    def handler(delivery: Delivery) -> None:
        if delivery.data.endswith(b"7") and delivery.attempt == 1:
            raise RuntimeError("a bug")
        delivery.acknowledge()
        done.add(delivery.data)

    start(handler)
    for number in range(30):
        publisher.publish(topic, b"%d" % number, {})
    eventually(lambda: len(done) == 30)


def test_a_released_message_is_redelivered_once(topic: str, publisher: Publisher, start: Start) -> None:
    attempts: list[int] = []

    def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt < 3:
            delivery.release()
            delivery.release()
        else:
            delivery.acknowledge()

    subscription = start(handler)
    publisher.publish(topic, b"x", {})
    eventually(lambda: len(attempts) == 3 and subscription.running == 0)
    assert attempts == [1, 2, 3]


def test_an_unconfirmed_acknowledgement_raises(
    broker: BrokerProcess, topic: str, publisher: Publisher, start: Start
) -> None:
    taken, killed = threading.Event(), threading.Event()
    said: list[str] = []
    done = threading.Event()

    def handler(delivery: Delivery) -> None:
        taken.set()
        assert killed.wait(60)
        try:
            delivery.acknowledge(timeout=2)
        except BusUnavailable as error:
            said.append(error.message)
            raise
        done.set()

    start(handler)
    publisher.publish(topic, b"x", {})
    assert taken.wait(60)
    broker.kill()
    killed.set()
    assert "acknowledge" in eventually(lambda: said)[0]
    broker.start()
    assert done.wait(90), "the message was not redelivered"


@pytest.mark.slow
def test_an_acknowledged_message_is_never_redelivered(
    broker: BrokerProcess, topic: str, publisher: Publisher, start: Start
) -> None:
    got: list[bytes] = []

    def handler(delivery: Delivery) -> None:
        got.append(delivery.data)
        delivery.acknowledge()

    subscription = start(handler)
    publisher.publish(topic, b"first", {})
    eventually(lambda: got == [b"first"])
    assert subscription.drain(30)
    broker.restart()
    start(handler)
    time.sleep(LEASE_SECONDS + 3)
    publisher.publish(topic, b"second", {}, timeout_seconds=60)
    eventually(lambda: len(got) > 1)
    assert got == [b"first", b"second"]


@pytest.mark.slow
def test_a_running_handler_keeps_its_message_over_many_leases(
    topic: str, publisher: Publisher, start: Start
) -> None:
    go = threading.Event()
    attempts: list[int] = []

    def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        assert go.wait(100)
        delivery.acknowledge()

    subscription = start(handler)
    publisher.publish(topic, b"x", {})
    time.sleep(2.5 * LEASE_SECONDS)
    go.set()
    eventually(lambda: subscription.running == 0)
    assert attempts == [1]


@pytest.mark.slow
def test_a_handler_that_hangs_loses_its_message_after_the_longest_lease(
    topic: str, publisher: Publisher, start: Start
) -> None:
    go = threading.Event()
    attempts: list[int] = []

    def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            assert go.wait(100)
        delivery.acknowledge()

    start(handler, slots=2, max_lease_seconds=3)
    publisher.publish(topic, b"x", {})
    eventually(lambda: attempts == [1, 2], within=90)
    go.set()
