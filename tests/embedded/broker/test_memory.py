"""A long backlog is kept on disk, not in memory."""

from __future__ import annotations

import pytest

from tests.embedded.broker.bus import Bus
from tests.support.broker import BrokerProcess

BODY = b"x" * 2000


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def publish(bus: Bus, topic: str, count: int) -> None:
    for _ in range(count // 1000):
        bus.publish(topic, *[BODY] * 1000)


@pytest.mark.slow
def test_a_long_backlog_does_not_increase_the_brokers_memory(broker: BrokerProcess, own_bus: Bus) -> None:
    topic, subscription = own_bus.pair(ack_deadline_seconds=600)
    publish(own_bus, topic, 10_000)
    before = resident_bytes(broker.pid)
    publish(own_bus, topic, 30_000)
    # Sixty megabytes are published in between.
    assert resident_bytes(broker.pid) - before < 20_000_000

    seen: set[str] = set()
    while len(seen) < 40_000:
        received = own_bus.pull(subscription, 100)
        seen.update(message.message.message_id for message in received)
        own_bus.ack(subscription, *received)
    assert resident_bytes(broker.pid) - before < 40_000_000
    own_bus.assert_quiet(subscription)
