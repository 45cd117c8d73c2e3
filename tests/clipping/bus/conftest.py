"""A broker for each test, a topic in it, and people who work with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipping.bus.provision import provision
from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery, Subscription
from clipping.bus.topology import SubscriptionSpec, Topology
from tests.support.broker import BrokerProcess
from tests.support.proxy import TcpProxy

PROJECT = "clipping-test"
TOPIC = "requests"
WORK = "work"
LEASE_SECONDS = 10
"""The shortest that Pub/Sub has."""

Start = Callable[..., Subscription]


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path / "broker") as broker:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
        yield broker


@pytest.fixture
def proxy(broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    """A proxy to the broker that can be cut; all later connections use it."""
    with TcpProxy(broker.host_port) as proxy:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", proxy.host_port)
        yield proxy


@pytest.fixture
def topic(broker: BrokerProcess) -> str:
    """A topic with the subscription `work`, which redelivers at once and counts attempts."""
    spec = SubscriptionSpec(
        name=WORK,
        topic=TOPIC,
        retry_min_seconds=0,
        retry_max_seconds=0,
        ack_deadline_seconds=LEASE_SECONDS,
        dead_letter_topic="dead-letter",
        max_delivery_attempts=100,
    )
    provision(PROJECT, Topology((TOPIC, "dead-letter"), (spec,)))
    return TOPIC


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher(PROJECT, timeout_seconds=20)
    yield publisher
    publisher.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts subscriptions of `work`; they are closed at the end."""
    started: list[Subscription] = []

    def start(handler: Callable[[Delivery], None], **options: object) -> Subscription:
        arguments: dict[str, object] = {
            "slots": 2,
            "max_lease_seconds": 300,
            "lease_seconds": LEASE_SECONDS,
            "thread_name": "worker",
            **options,
        }
        subscription = Subscription(PROJECT, WORK, handler=handler, **arguments)  # type: ignore[arg-type]
        started.append(subscription)
        subscription.start()
        return subscription

    yield start
    for subscription in started:
        subscription.stop_pulling()
    for subscription in started:
        subscription.close()
