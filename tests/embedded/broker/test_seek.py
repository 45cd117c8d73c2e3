"""Seek by time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import MethodNotImplemented

from tests.embedded.broker.bus import RPC_SECONDS, Bus


def seek(bus: Bus, subscription: str, moment: datetime) -> None:
    request = {"subscription": subscription, "time": moment}
    bus.subscriber.seek(request=request, timeout=RPC_SECONDS)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_seek_into_the_future_drops_the_backlog(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"1", b"2")
    seek(bus, subscription, now() + timedelta(seconds=60))
    bus.assert_quiet(subscription)


def test_a_seek_to_a_messages_time_keeps_it_and_later_ones(bus: Bus) -> None:
    topic, subscription = bus.pair()
    for body in (b"old", b"middle", b"young"):
        bus.publish(topic, body)
        time.sleep(0.01)  # a message's time may be rounded to milliseconds
    received = {m.message.data: m for m in bus.pull(subscription, 3)}
    bus.modify(subscription, 0, *received.values())
    seek(bus, subscription, received[b"middle"].message.publish_time)
    assert sorted(m.message.data for m in bus.pull(subscription, 2)) == [b"middle", b"young"]
    bus.assert_quiet(subscription)


def test_a_seek_into_the_past_redelivers_retained_messages(bus: Bus) -> None:
    topic, subscription = bus.pair(retain_acked_messages=True)
    begin = now()
    bus.publish(topic, b"1", b"2")
    bus.ack(subscription, *bus.pull(subscription, 2))
    bus.assert_quiet(subscription, 0.3)
    seek(bus, subscription, begin - timedelta(seconds=60))
    assert sorted(m.message.data for m in bus.pull(subscription, 2)) == [b"1", b"2"]


def test_a_seek_into_the_past_does_not_redeliver_unretained_messages(own_bus: Bus) -> None:
    topic, subscription = own_bus.pair()
    own_bus.publish(topic, b"gone")
    own_bus.ack(subscription, *own_bus.pull(subscription))
    seek(own_bus, subscription, now() - timedelta(seconds=60))
    own_bus.assert_quiet(subscription)


def test_a_seek_forward_can_be_undone_if_messages_are_retained(bus: Bus) -> None:
    topic, subscription = bus.pair(retain_acked_messages=True)
    begin = now()
    bus.publish(topic, b"dropped and found")
    seek(bus, subscription, now() + timedelta(seconds=60))
    bus.assert_quiet(subscription, 0.3)
    seek(bus, subscription, begin - timedelta(seconds=60))
    assert bus.pull(subscription)[0].message.data == b"dropped and found"


def test_new_messages_are_delivered_after_a_seek(bus: Bus) -> None:
    topic, subscription = bus.pair()
    bus.publish(topic, b"before")
    seek(bus, subscription, now() + timedelta(milliseconds=50))
    time.sleep(0.1)
    bus.publish(topic, b"after")
    assert bus.pull(subscription)[0].message.data == b"after"
    bus.assert_quiet(subscription)


def test_a_seek_to_a_snapshot_is_unimplemented(own_bus: Bus) -> None:
    _, subscription = own_bus.pair()
    request = {"subscription": subscription, "snapshot": f"{own_bus.project}/snapshots/some"}
    with pytest.raises(MethodNotImplemented, match="Snapshots"):
        own_bus.subscriber.seek(request=request, timeout=RPC_SECONDS)
