from __future__ import annotations

import logging
import threading
import time

import pytest

from clipping.bus.provision import provision
from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery, Subscription
from clipping.bus.topology import SubscriptionSpec, Topology
from tests.clipping.bus.conftest import LEASE_SECONDS, PROJECT, Start
from tests.support.broker import BrokerProcess
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually


class Log:
    """Acknowledges and remembers."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.got: list[bytes] = []
        self.attempts: list[int] = []

    def __call__(self, delivery: Delivery) -> None:
        time.sleep(self.seconds)
        delivery.acknowledge()
        self.got.append(delivery.data)
        self.attempts.append(delivery.attempt)


def test_a_killed_broker_is_found_again_and_no_message_is_lost(
    broker: BrokerProcess, topic: str, publisher: Publisher, start: Start
) -> None:
    log = Log(0.02)
    subscription = start(log)
    expected = {b"%d" % number for number in range(60)}
    for number in range(40):
        publisher.publish(topic, b"%d" % number, {})
    eventually(lambda: len(log.got) >= 5 and subscription.state.ok)
    broker.kill()
    state = eventually(lambda: None if subscription.state.ok else subscription.state)
    assert broker.host_port in state.detail
    broker.start()
    for number in range(40, 60):
        publisher.publish(topic, b"%d" % number, {}, timeout_seconds=60)
    eventually(lambda: set(log.got) == expected, within=90)
    assert eventually(lambda: subscription.state.ok)


def test_a_subscriber_may_be_there_before_the_broker(
    broker: BrokerProcess, topic: str, publisher: Publisher, start: Start
) -> None:
    broker.kill()
    log = Log()
    subscription = start(log)
    time.sleep(2)
    assert not subscription.state.ok
    broker.start()
    publisher.publish(topic, b"x", {}, timeout_seconds=60)
    eventually(lambda: log.got == [b"x"])


def test_a_subscription_that_is_missing_is_waited_for(
    broker: BrokerProcess, topic: str, publisher: Publisher
) -> None:
    log = Log()
    subscription = Subscription(
        PROJECT, "later", slots=1, handler=log, max_lease_seconds=60, thread_name="later"
    )
    subscription.start()
    try:
        eventually(lambda: "clipping-agent provision" in subscription.state.detail)
        assert not subscription.state.ok
        provision(
            PROJECT,
            Topology(
                (),
                (
                    SubscriptionSpec(
                        "later", topic, retry_min_seconds=0, retry_max_seconds=0, ack_deadline_seconds=10
                    ),
                ),
            ),
        )
        publisher.publish(topic, b"x", {})
        eventually(lambda: log.got == [b"x"])
        eventually(lambda: subscription.state.ok)
    finally:
        subscription.close()


@pytest.mark.slow
def test_a_stop_during_an_outage_leaves_no_thread_that_reconnects(
    broker: BrokerProcess, topic: str, start: Start
) -> None:
    """The library by itself goes on to reopen such a stream for as long as the broker is away."""
    before = set(threading.enumerate())
    subscription = start(Log())
    eventually(lambda: subscription.state.ok)
    broker.kill()
    eventually(lambda: not subscription.state.ok)
    time.sleep(2)
    subscription.close()
    eventually(lambda: not [thread for thread in threading.enumerate() if thread not in before], within=30)


@pytest.mark.slow
def test_a_handler_that_outlives_its_stream_acknowledges_once(
    proxy: TcpProxy, topic: str, publisher: Publisher, start: Start
) -> None:
    go, taken = threading.Event(), threading.Event()
    attempts: list[int] = []

    def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        taken.set()
        assert go.wait(100)
        delivery.acknowledge()

    subscription = start(handler)
    publisher.publish(topic, b"x", {})
    assert taken.wait(60)
    eventually(lambda: subscription.state.ok)
    proxy.cut()
    time.sleep(1.5 * LEASE_SECONDS)
    assert subscription.state.ok
    go.set()
    assert subscription.drain(60)
    assert attempts == [1]


def test_an_idle_stream_is_reopened(
    topic: str, publisher: Publisher, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "clipping.bus.subscriber")
    log = Log()
    start(log, idle_seconds=(1.0, 1.5))
    eventually(lambda: caplog.messages.count("bus.stream_recycled") >= 2)
    publisher.publish(topic, b"x", {})
    eventually(lambda: log.got == [b"x"])


def test_a_busy_stream_is_not_reopened(
    topic: str, publisher: Publisher, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "clipping.bus.subscriber")
    log = Log(4)
    publisher.publish(topic, b"x", {})
    subscription = start(log, idle_seconds=(2.0, 2.0))
    eventually(lambda: subscription.running == 1)
    caplog.clear()
    eventually(lambda: log.got == [b"x"])
    assert "bus.stream_recycled" not in caplog.messages
