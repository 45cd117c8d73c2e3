"""The data on disk: kept only as long as needed; and the effects of a full disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from clipping.clock import ManualClock
from embedded.broker import pb
from embedded.broker.delivery.consumer import Consumer
from embedded.broker.delivery.exchange import Exchange
from embedded.broker.delivery.registry import Registry, SubscriptionRecord, TopicRecord
from embedded.broker.delivery.upkeep import flush, sweep
from embedded.broker.grpc.subscriptions import Subscriptions
from embedded.broker.refusals import Unavailable
from embedded.broker.storage.schema import FILE, connect
from embedded.broker.storage.storage import Storage
from embedded.broker.storage.writer import Writer

TOPIC = "projects/some-project/topics/topic"
SUBSCRIPTION = "projects/some-project/subscriptions/subscription"


class NoPushes:
    """A sender without push subscriptions."""

    def refresh(self, subscription: SubscriptionRecord) -> None:
        assert not subscription.config.push_config.push_endpoint

    def stop(self, subscription: SubscriptionRecord) -> None:
        pass


class Parts:
    """A broker without its server, with a simulated clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.storage = Storage(folder, asyncio.get_running_loop())
        self.registry = Registry()
        self.exchange = Exchange(self.registry, self.storage, self.clock)
        self.subscriptions = Subscriptions(self.registry, self.storage, self.exchange, self.clock, NoPushes())
        self.subscriptions.restore()

    async def subscription(self, name: str = SUBSCRIPTION, **config: object) -> SubscriptionRecord:
        if TOPIC not in self.registry.topics:
            topic = pb.Topic(name=TOPIC)
            number = await self.storage.add_topic(TOPIC, topic.SerializeToString())
            self.registry.topics[TOPIC] = TopicRecord(number, topic)
        await self.subscriptions.create(pb.Subscription(name=name, topic=TOPIC, **config))
        return self.registry.subscription(name)

    async def publish(self, *bodies: bytes) -> None:
        messages = [pb.PubsubMessage(data=body) for body in bodies]
        await self.exchange.publish(self.registry.topic(TOPIC), messages)

    def close(self) -> None:
        for subscription in self.registry.subscriptions.values():
            subscription.delivery.close()
        self.storage.close()


def with_parts(folder: Path, act: Callable[[Parts], Awaitable[None]]) -> None:
    async def run() -> None:
        parts = Parts(folder)
        try:
            await act(parts)
        finally:
            parts.close()

    asyncio.run(run())


def rows(folder: Path, table: str) -> int:
    connection = sqlite3.connect(folder / FILE)
    try:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    finally:
        connection.close()
    return int(count)


def test_an_acknowledged_message_is_deleted_from_the_disk(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        delivery = (await parts.subscription()).delivery
        await parts.publish(b"1", b"2")
        taken = await delivery.take(Consumer())
        await delivery.acknowledge([taken[0].ack_id])
        assert rows(tmp_path, "messages") == rows(tmp_path, "backlog") == 1

    with_parts(tmp_path, act)


def test_a_message_is_kept_while_another_subscription_needs_it(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        one = (await parts.subscription()).delivery
        two = (await parts.subscription(SUBSCRIPTION + "-2")).delivery
        await parts.publish(b"for both")
        for delivery, left in ((one, 1), (two, 0)):
            (taken,) = await delivery.take(Consumer())
            await delivery.acknowledge([taken.ack_id])
            assert rows(tmp_path, "messages") == left

    with_parts(tmp_path, act)


def test_a_message_without_a_matching_subscription_is_not_stored(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        await parts.subscription(filter='attributes.lane = "batch"')
        await parts.publish(b"unmatched")
        assert rows(tmp_path, "messages") == 0

    with_parts(tmp_path, act)


def test_messages_are_deleted_after_their_retention(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        retention = pb.Subscription().message_retention_duration
        retention.seconds = 600
        subscription = await parts.subscription(message_retention_duration=retention)
        await parts.publish(b"old")
        parts.clock.advance(400)
        await parts.publish(b"young")
        parts.clock.advance(300)
        await sweep(parts.registry, parts.storage)
        assert rows(tmp_path, "messages") == rows(tmp_path, "backlog") == 1
        (taken,) = await subscription.delivery.take(Consumer())
        assert pb.PubsubMessage.FromString(taken.body).data == b"young"

    with_parts(tmp_path, act)


def test_an_expired_message_is_not_delivered_even_before_it_is_deleted(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        subscription = await parts.subscription()
        await parts.publish(b"old")
        parts.clock.advance(7 * 86400 + 1)
        assert await subscription.delivery.take(Consumer()) == []

    with_parts(tmp_path, act)


def test_retained_messages_are_kept_until_they_expire(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        delivery = (await parts.subscription(retain_acked_messages=True)).delivery
        await parts.publish(b"retained")
        (taken,) = await delivery.take(Consumer())
        await delivery.acknowledge([taken.ack_id])
        await sweep(parts.registry, parts.storage)
        assert rows(tmp_path, "messages") == 1
        parts.clock.advance(7 * 86400 + 1)
        await sweep(parts.registry, parts.storage)
        assert rows(tmp_path, "messages") == rows(tmp_path, "backlog") == 0

    with_parts(tmp_path, act)


def test_a_deleted_subscriptions_messages_are_deleted(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        await parts.subscription()
        await parts.publish(*[b"x"] * 100)
        await parts.subscriptions.delete(SUBSCRIPTION)
        await sweep(parts.registry, parts.storage)
        assert rows(tmp_path, "messages") == rows(tmp_path, "backlog") == 0

    with_parts(tmp_path, act)


def test_a_flushed_lease_survives_a_restart(tmp_path: Path) -> None:
    async def lease(parts: Parts) -> None:
        delivery = (await parts.subscription()).delivery
        await parts.publish(b"held")
        await delivery.take(Consumer(), lease=300)
        await flush(parts.registry)

    async def restarted(parts: Parts) -> None:
        delivery = parts.registry.subscription(SUBSCRIPTION).delivery
        await asyncio.sleep(0.5)  # until the load has finished
        parts.clock.advance(299)
        assert await delivery.take(Consumer()) == []
        parts.clock.advance(2)
        await asyncio.wait_for(delivery.wait_ready(), 60)
        (taken,) = await delivery.take(Consumer())
        assert taken.attempt == 2

    with_parts(tmp_path, lease)
    with_parts(tmp_path, restarted)


def test_cancelled_waiters_are_removed_and_another_is_woken(tmp_path: Path) -> None:
    async def act(parts: Parts) -> None:
        delivery = (await parts.subscription()).delivery
        for _ in range(100):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(delivery.wait_ready(), 0.001)
        assert len(delivery._waiting) == 0
        quitter = asyncio.create_task(delivery.wait_ready())
        patient = asyncio.create_task(delivery.wait_ready())
        await asyncio.sleep(0)
        await parts.publish(b"x")
        quitter.cancel()
        await asyncio.wait_for(patient, 60)

    with_parts(tmp_path, act)


def test_ids_never_repeat_even_if_the_clock_is_set_back(tmp_path: Path) -> None:
    seen: list[int] = []

    async def publish(parts: Parts) -> None:
        topic = parts.registry.topics.get(TOPIC)
        if topic is None:
            await parts.subscription()
            topic = parts.registry.topic(TOPIC)
        seen.extend(map(int, await parts.exchange.publish(topic, [pb.PubsubMessage(data=b"x")])))

    with_parts(tmp_path, publish)
    with_parts(tmp_path, publish)  # a new ManualClock: the same time again
    assert seen[1] > seen[0]


def test_a_full_disk_fails_only_the_writes_that_do_not_fit(tmp_path: Path) -> None:
    async def run() -> None:
        connection = connect(tmp_path)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        writer = Writer(connection, asyncio.get_running_loop())

        def insert(seq: int, size: int) -> asyncio.Future[None]:
            def change(db: sqlite3.Connection) -> None:
                db.execute("INSERT INTO messages (seq, body) VALUES (?, ?)", (seq, b"x" * size))

            return writer.submit(change)

        with pytest.raises(Unavailable, match="full"):
            await insert(1, 1_000_000)
        await insert(2, 10)
        await asyncio.to_thread(writer.close)

    asyncio.run(run())
    assert rows(tmp_path, "messages") == 1


def test_queued_changes_are_committed_together(tmp_path: Path) -> None:
    async def run() -> None:
        connection = connect(tmp_path)
        transactions: list[str] = []
        connection.set_trace_callback(transactions.append)
        writer = Writer(connection, asyncio.get_running_loop())

        ready = threading.Event()

        def slow(db: sqlite3.Connection) -> None:
            ready.wait(30)

        first = writer.submit(slow)
        others = [writer.submit(lambda db: db.execute("SELECT 1")) for _ in range(50)]
        ready.set()
        await asyncio.gather(first, *others)
        await asyncio.to_thread(writer.close)
        assert transactions.count("COMMIT") <= 3

    asyncio.run(run())
