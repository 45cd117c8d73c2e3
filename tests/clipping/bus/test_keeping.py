"""A kept message occupies no slot and is not delivered to another subscriber."""

from __future__ import annotations

import threading
import time

import pytest

from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery
from tests.clipping.bus.conftest import LEASE_SECONDS, Start
from tests.support.waiting import eventually


class Keeper:
    """Keeps each message that begins with `k` once, and acknowledges the rest.

    The first delivery need not be attempt 1: a stream that closes releases what no handler started."""

    def __init__(self) -> None:
        self.kept: list[Delivery] = []
        self.done: list[bytes] = []
        self.lock = threading.Lock()

    def __call__(self, delivery: Delivery) -> None:
        with self.lock:
            known = any(delivery.data == kept.data for kept in self.kept)
            if delivery.data.startswith(b"k") and not known:
                delivery.keep()
                self.kept.append(delivery)
                return
        delivery.acknowledge()
        with self.lock:
            self.done.append(delivery.data)


@pytest.mark.slow
def test_kept_messages_free_their_slots_and_are_not_redelivered(
    topic: str, publisher: Publisher, start: Start
) -> None:
    keeper = Keeper()
    start(keeper, slots=2)
    for number in range(7):
        publisher.publish(topic, b"keep %d" % number, {})
    eventually(lambda: len(keeper.kept) == 7, "all to be kept")
    for number in range(5):
        publisher.publish(topic, b"other %d" % number, {})
    eventually(lambda: len(keeper.done) == 5, "the others to be handled")
    until = time.monotonic() + 1.5 * LEASE_SECONDS
    while time.monotonic() < until:
        assert len(keeper.kept) == 7, "delivered again although its lease is extended"
        assert len(keeper.done) == 5
        time.sleep(0.1)
    for delivery in keeper.kept[:3]:
        delivery.acknowledge()
    for delivery in keeper.kept[3:]:
        delivery.release()
    eventually(lambda: len(keeper.done) == 9, "the released messages to be redelivered")
    again = {data for data in keeper.done if data.startswith(b"keep")}
    assert again == {delivery.data for delivery in keeper.kept[3:]}


@pytest.mark.slow
def test_an_abandoned_message_is_redelivered_when_its_lease_expires(
    topic: str, publisher: Publisher, start: Start
) -> None:
    keeper = Keeper()
    start(keeper, slots=1)
    publisher.publish(topic, b"keep", {})
    eventually(lambda: keeper.kept, "it to be kept")
    keeper.kept[0].abandon()
    eventually(lambda: keeper.done == [b"keep"], "its redelivery", within=6 * LEASE_SECONDS)
