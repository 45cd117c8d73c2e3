from __future__ import annotations

import threading
import time
from functools import partial

import pytest
from google.api_core.exceptions import DeadlineExceeded

from clipping.bus.connection import subscriber_client
from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery
from tests.clipping.bus.conftest import LEASE_SECONDS, PROJECT, WORK, Start
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually


class Held:
    """A handler that holds its message until the test lets it finish."""

    def __init__(self) -> None:
        self.taken = threading.Event()
        self.finish = threading.Event()
        self.attempts: list[int] = []

    def __call__(self, delivery: Delivery) -> None:
        self.attempts.append(delivery.attempt)
        self.taken.set()
        assert self.finish.wait(100)
        delivery.acknowledge()


def _pull() -> list[bytes]:
    """The messages that another subscriber receives within two seconds."""
    with subscriber_client() as client:
        try:
            answer = client.pull(
                subscription=f"projects/{PROJECT}/subscriptions/{WORK}",
                max_messages=10,
                timeout=2,
                retry=None,
            )
        except DeadlineExceeded:
            return []
    return [received.message.data for received in answer.received_messages]


def test_a_drain_waits_for_the_handlers_and_takes_nothing_new(
    topic: str, publisher: Publisher, start: Start
) -> None:
    held = Held()
    subscription = start(held, slots=1)
    publisher.publish(topic, b"first", {})
    assert held.taken.wait(60)
    begin = time.monotonic()
    assert not subscription.drain(1.0), "a handler was at work"
    assert time.monotonic() - begin < 30
    publisher.publish(topic, b"second", {})
    threading.Timer(0.5, held.finish.set).start()
    assert subscription.drain(60)
    assert held.attempts == [1]
    assert not subscription.state.ok
    assert eventually(_pull) == [b"second"]


def test_a_drain_of_an_idle_subscription_is_quick(topic: str, start: Start) -> None:
    subscription = start(Held())
    eventually(lambda: subscription.state.ok)
    begin = time.monotonic()
    assert subscription.drain(60)
    assert time.monotonic() - begin < 15


def test_a_message_that_waits_for_a_slot_is_released_when_pulling_stops(
    proxy: TcpProxy, topic: str, publisher: Publisher, start: Start
) -> None:
    """A new stream has no messages out: after a cut, the broker sends one more than there are slots."""
    held = Held()
    subscription = start(held, slots=1, lease_seconds=60)
    publisher.publish(topic, b"first", {})
    assert held.taken.wait(60)
    eventually(lambda: subscription.state.ok)
    before = proxy.accepted
    proxy.cut()
    eventually(lambda: proxy.accepted > before and subscription.state.ok)
    publisher.publish(topic, b"second", {}, timeout_seconds=60)
    time.sleep(1)
    assert _pull() == [], "it does not wait with the first subscriber"
    begin = time.monotonic()
    subscription.stop_pulling()
    assert time.monotonic() - begin < 10, "stop_pulling must not block"
    assert eventually(_pull) == [b"second"]
    assert time.monotonic() - begin < 30, "it waited for the lease of a minute"
    held.finish.set()
    assert subscription.drain(60)
    assert held.attempts == [1]


@pytest.mark.slow
def test_a_handler_keeps_its_message_after_pulling_stopped(
    topic: str, publisher: Publisher, start: Start
) -> None:
    held = Held()
    subscription = start(held)
    publisher.publish(topic, b"x", {})
    assert held.taken.wait(60)
    subscription.stop_pulling()
    end = time.monotonic() + 1.5 * LEASE_SECONDS
    while time.monotonic() < end:
        assert _pull() == []
    held.finish.set()
    assert subscription.drain(60)


def test_pulling_can_begin_again(topic: str, publisher: Publisher, start: Start) -> None:
    got: list[bytes] = []

    def handler(delivery: Delivery) -> None:
        delivery.acknowledge()
        got.append(delivery.data)

    subscription = start(handler)
    for number in (b"1", b"2", b"3"):
        publisher.publish(topic, number, {})
        eventually(partial(got.__contains__, number))
        assert subscription.drain(60)
        subscription.start()


def test_closing_leaves_no_thread_behind(topic: str, publisher: Publisher, start: Start) -> None:
    before = set(threading.enumerate())
    subscription = start(lambda delivery: delivery.acknowledge(), thread_name="lane-test")
    eventually(lambda: subscription.state.ok)
    publisher.publish(topic, b"x", {})
    assert subscription.drain(60)
    subscription.close()
    eventually(lambda: not [thread for thread in threading.enumerate() if thread not in before])
    with pytest.raises(RuntimeError, match="closed"):
        subscription.start()
