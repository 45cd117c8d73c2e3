"""Nothing that was accepted is lost between the database and Pub/Sub."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.db import clips, outbox, schema
from api.db.engine import Database
from api.db.outbox import REQUESTS, Backlog, Entry, Message
from api.messaging.outbox_publisher import (
    BATCH,
    NEW_LEASE_SECONDS,
    NEW_PUBLISH_SECONDS,
    OutboxPublisher,
)
from clipping.bus.subscriber import Delivery, Subscription
from clipping.clock import ManualClock, SystemClock
from clipping.contract.messages import ClipRequest, RequestMessage
from clipping.errors import BusUnavailable
from tests.api.api_process import ApiProcess, emulator_host
from tests.api.conftest import MakeApi
from tests.api.messages import NOW, completed
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=8)
    schema.migrate(made)
    yield made
    made.close()


@contextmanager
def arrivals(api: ApiProcess) -> Iterator[list[str]]:
    """The request ids that agents of the interactive lane get, in order."""
    seen: list[str] = []

    def keep(delivery: Delivery) -> None:
        delivery.acknowledge()
        seen.append(delivery.attributes["request_id"])

    bus = api.config.pubsub
    subscription = Subscription(
        bus.project,
        bus.worker_subscription,
        slots=4,
        handler=keep,
        max_lease_seconds=60,
        thread_name="test-worker",
    )
    with emulator_host(api.emulator):
        subscription.start()
        yield seen
        subscription.drain(10)
        subscription.close()


def fill(database: Database, count: int, *, refused: int | None = None) -> list[str]:
    """Accepted requests that are not published; Pub/Sub takes all of them but the one at `refused`."""
    ids = [f"clip-20261120-{number:012d}" for number in range(count)]
    with database.write() as session:
        for number, request_id in enumerate(ids):
            clips.add(session.connection(), [clips.row_of(request(request_id))])
            attributes = {"request_id": request_id, **({"x" * 257: ""} if number == refused else {})}
            add(session, REQUESTS, request_id, **attributes)
    return ids


def request(request_id: str) -> RequestMessage:
    wanted = ClipRequest(hand_id="h", nas_video_path="/nas/a.mp4", start_seconds=1, end_seconds=2)
    return RequestMessage.of(wanted, request_id=request_id, owner="web", requested_at=NOW)


def add(session: Session, topic: str, key: str, **attributes: str) -> Message:
    """A message that is due at once."""
    entry = Entry(topic, key, b"x", attributes, NOW)
    return outbox.add(session.connection(), [entry], due=NOW)[0]


def claim(session: Session, topic: str, *, now: datetime, until: datetime, limit: int = 10) -> list[Message]:
    return outbox.claim(session, topic, now=now, until=until, limit=limit)


def test_two_instances_never_claim_the_same(database: Database) -> None:
    ids = fill(database, 60)
    claimed: list[str] = []

    def work() -> None:
        until = NOW + timedelta(seconds=30)
        while True:
            with database.write() as session:
                messages = claim(session, REQUESTS, now=NOW, until=until, limit=7)
            if not messages:
                return
            claimed.extend(message.key for message in messages)

    threads = [threading.Thread(target=work, name=f"claim-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(claimed) == ids


def test_a_claim_that_is_never_settled_is_due_again(database: Database) -> None:
    fill(database, 3)
    until = NOW + timedelta(seconds=30)
    with database.write() as session:
        assert len(claim(session, REQUESTS, now=NOW, until=until)) == 3
        assert not outbox.any_due(session, REQUESTS, NOW)
    with database.write() as session:
        assert outbox.any_due(session, REQUESTS, until)
        again = claim(session, REQUESTS, now=until, until=until + timedelta(seconds=30))
        outbox.postpone(session, again[:1], until=until, failed=True)
        outbox.remove(session.connection(), [again[2].id])
    with database.read() as session:
        assert outbox.backlog(session, REQUESTS) == Backlog(2, NOW)
    with database.write() as session:
        found = claim(session, REQUESTS, now=until, until=until)
    assert [(message.key, message.attempts) for message in found] == [(again[0].key, 1)]


def test_topics_are_claimed_and_withdrawn_apart(database: Database) -> None:
    with database.write() as session:
        kept = [add(session, topic, key) for topic in ("a", "b") for key in ("1", "2")]
        outbox.withdraw(session, "b", ["1", "3"])
        assert [outbox.any_due(session, topic, NOW) for topic in ("a", "b", "c")] == [True, True, False]
        assert claim(session, "a", now=NOW, until=NOW) == kept[:2]
        assert claim(session, "b", now=NOW, until=NOW) == kept[3:]
        assert [outbox.backlog(session, topic).count for topic in ("a", "b", "c")] == [2, 1, 0]


def test_messages_are_published_in_order(database: Database) -> None:
    with database.write() as session:
        added = [add(session, "a", key) for key in ("9", "1", "5")]
        assert [each.id for each in added] == sorted({each.id for each in added})
        assert claim(session, "a", now=NOW, until=NOW) == added


def test_one_message_of_a_topic_and_key_waits_at_a_time(database: Database) -> None:
    with database.write() as session:
        outbox.remove(session.connection(), [add(session, "a", "1").id])
        add(session, "a", "1")
    with pytest.raises(IntegrityError), database.write() as session:
        add(session, "a", "1")


def test_the_id_of_a_removed_message_is_not_used_again(database: Database) -> None:
    """A publisher removes what it published by id, which may be after the message was withdrawn."""
    with database.write() as session:
        first = add(session, "a", "1")
        outbox.withdraw(session, "a", ["1"])
    with database.write() as session:
        second = add(session, "a", "2")
        outbox.remove(session.connection(), [first.id])
        assert claim(session, "a", now=NOW, until=NOW) == [second]


def test_a_message_is_written_with_the_change_or_not_at_all(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            clips.add(session.connection(), [clips.row_of(request("clip-20261120-000000000000"))])
            add(session, "a", "1")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.read() as session:
        assert outbox.backlog(session, "a") == Backlog(0, None)


class Receiver:
    """A sender whose topic can be down, and that refuses some keys."""

    def __init__(self, *refused: str, up: bool = True) -> None:
        self.up = up
        self.refused = {*refused}
        self.calls: list[list[str]] = []
        """The keys of each call, also of those that failed."""

    def __call__(self, messages: Sequence[Message], timeout_seconds: float) -> None:
        self.calls.append([message.key for message in messages])
        if not self.up or self.refused & {*self.calls[-1]}:
            raise BusUnavailable("the topic is down")

    @property
    def arrived(self) -> set[str]:
        return (
            {key for call in self.calls for key in call if not self.refused & {*call}} if self.up else set()
        )


@contextmanager
def publishing(database: Database, **senders: Receiver) -> Iterator[OutboxPublisher]:
    publisher = OutboxPublisher(database, senders, SystemClock())
    publisher.start()
    yield publisher
    publisher.stop(30)


def backlog(database: Database, topic: str) -> int:
    with database.read() as session:
        return outbox.backlog(session, topic).count


def test_each_topic_has_a_sender_and_a_topic_that_is_down_stops_no_other(database: Database) -> None:
    down, well = Receiver(up=False), Receiver()
    with database.write() as session:
        for number in range(20):
            for topic in ("down", "unknown", "well"):
                add(session, topic, f"{topic}-{number:02d}")
    with publishing(database, down=down, well=well) as publisher:
        assert eventually(lambda: backlog(database, "well") == 0)
        assert eventually(lambda: not publisher.is_up("down"))
        assert publisher.is_up("well")
        assert [backlog(database, topic) for topic in ("down", "unknown")] == [20, 20]
        down.up = True
        assert eventually(lambda: backlog(database, "down") == 0)
        assert eventually(lambda: publisher.is_up("down"))
    assert well.arrived == {f"well-{number:02d}" for number in range(20)}
    assert down.arrived == {f"down-{number:02d}" for number in range(20)}
    assert backlog(database, "unknown") == 20


def test_all_are_published_in_a_call_and_one_at_a_time_after_a_refusal(database: Database) -> None:
    keys = [f"{number:02d}" for number in range(20)]
    with database.write() as session:
        for key in keys:
            add(session, "a", key)
    receiver = Receiver("09")
    with publishing(database, a=receiver):
        assert eventually(lambda: backlog(database, "a") == 1)
    assert receiver.calls[:5] == [keys, keys[:1], keys[1:9], keys[9:17], keys[9:10]]
    assert receiver.arrived == {*keys} - {"09"}


def hand_over(database: Database, publisher: OutboxPublisher, topic: str, *keys: str) -> list[Message]:
    """Write messages and hand them to the publisher, as the committer does."""
    lease = publisher.lease(topic)
    with database.transaction() as connection:
        added = outbox.add(connection, [Entry(topic, key, b"x", {}, NOW) for key in keys], due=lease.due)
    publisher.publish_soon(added, lease)
    return added


def test_new_messages_are_published_from_memory_many_in_a_call(database: Database) -> None:
    receiver = Receiver()
    publisher = OutboxPublisher(database, {"a": receiver, "b": receiver}, ManualClock(NOW))
    for number in range(BATCH):
        hand_over(database, publisher, "a", f"{number:03d}", f"{number:03d}+")
    hand_over(database, publisher, "b", "other")
    with database.read() as session:
        assert not outbox.any_due(session, "a", NOW), "the table's are left to this process"
    publisher.start()
    try:
        assert eventually(lambda: backlog(database, "a") == backlog(database, "b") == 0)
    finally:
        publisher.stop(30)
    assert [len(call) for call in receiver.calls] == [BATCH, BATCH, 1]
    assert receiver.calls[0][:3] == ["000", "000+", "001"]


def test_a_message_whose_process_died_is_published_after_five_seconds(database: Database) -> None:
    receiver, clock = Receiver(), ManualClock(NOW)
    publisher = OutboxPublisher(database, {"a": receiver}, clock)
    with database.transaction() as connection:
        outbox.add(connection, [Entry("a", "1", b"x", {}, NOW)], due=publisher.lease("a").due)
    with database.write() as session:
        assert claim(session, "a", now=NOW + timedelta(seconds=4.9), until=NOW) == []
    clock.advance(5)
    publisher.start()
    try:
        assert eventually(lambda: receiver.calls == [["1"]])
    finally:
        publisher.stop(30)


def test_messages_that_wait_too_long_in_memory_are_sent_once(database: Database) -> None:
    """Another process may claim them before the call ends: so they are claimed instead."""
    receiver, clock = Receiver(), ManualClock(NOW)
    publisher = OutboxPublisher(database, {"a": receiver}, clock)
    hand_over(database, publisher, "a", "late")
    clock.advance(NEW_LEASE_SECONDS - NEW_PUBLISH_SECONDS + 0.1)
    hand_over(database, publisher, "a", "in time")
    publisher.start()
    try:
        assert eventually(lambda: receiver.calls == [["in time"]])
        clock.advance(NEW_LEASE_SECONDS)
        assert eventually(lambda: backlog(database, "a") == 0)
    finally:
        publisher.stop(30)
    assert receiver.calls == [["in time"], ["late"]]


def test_a_new_message_that_can_not_be_published_stays_in_the_outbox(database: Database) -> None:
    receiver, clock = Receiver(up=False), ManualClock(NOW)
    publisher = OutboxPublisher(database, {"a": receiver, "b": Receiver()}, clock)
    hand_over(database, publisher, "a", "1", "2")
    publisher.start()
    try:
        assert eventually(lambda: receiver.calls == [["1", "2"]])
        assert eventually(lambda: not publisher.is_up("a"))
        assert publisher.lease("a").due == NOW, "while it is down, its messages are left to all processes"
        assert publisher.lease("b").due > NOW
        assert backlog(database, "a") == 2
        receiver.up = True
        clock.advance(NEW_LEASE_SECONDS)
        assert eventually(lambda: backlog(database, "a") == 0)
    finally:
        publisher.stop(30)
    assert publisher.is_up("a")
    assert receiver.arrived == {"1", "2"}


def test_a_stop_publishes_what_is_in_memory(database: Database) -> None:
    receiver = Receiver()
    publisher = OutboxPublisher(database, {"a": receiver}, SystemClock())
    publisher.start()
    hand_over(database, publisher, "a", "1", "2")
    publisher.stop(30)
    assert receiver.calls == [["1", "2"]]
    assert backlog(database, "a") == 0


def test_a_published_request_leaves_the_outbox(make_api: MakeApi) -> None:
    api = make_api()
    with arrivals(api) as seen:
        wanted = [api.request().json()["request_id"] for _ in range(20)]
        eventually(lambda: api.counts()["outbox"] == 0)
        eventually(lambda: len(seen) >= 20)
    assert sorted(seen) == sorted(wanted)


def test_a_message_that_pubsub_refuses_does_not_block_the_others(make_api: MakeApi) -> None:
    api = make_api()
    with arrivals(api) as seen, api.database() as database:
        ids = fill(database, 40, refused=11)
        bad = ids.pop(11)
        eventually(lambda: len(seen) >= len(ids))
        eventually(lambda: api.counts()["outbox"] == 1)
        with database.write() as session:
            later = NOW + timedelta(days=10_000)
            (left,) = claim(session, REQUESTS, now=later, until=later)
    assert sorted(set(seen)) == ids
    assert left.key == bad
    assert left.attempts >= 1


@pytest.mark.slow
def test_a_request_survives_a_frozen_broker_and_the_death_of_the_api(
    make_api: MakeApi, tmp_path: Path
) -> None:
    with BrokerProcess(tmp_path / "broker") as broker:
        api = make_api(broker)
        api.request()  # the connection is up
        broker.freeze()
        began = time.monotonic()
        answers = [api.request() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202] * 3
        assert time.monotonic() - began < 10  # the first waits about a second, the others know
        api.kill()
        broker.thaw()
        api.start()
        wanted = {answer.json()["request_id"] for answer in answers}
        with arrivals(api) as seen:
            eventually(lambda: wanted <= set(seen))
        assert eventually(lambda: api.counts()["outbox"] == 0)
        for request_id in wanted:
            api.send(completed(request_id=request_id))
            api.wait_for_status(request_id, "completed")


@pytest.mark.slow
def test_what_waits_for_a_broker_that_is_away_is_sent_when_it_is_back(
    make_api: MakeApi, tmp_path: Path
) -> None:
    with BrokerProcess(tmp_path / "broker") as broker:
        api = make_api(broker)
        broker.kill()
        wanted = {api.request().json()["request_id"] for _ in range(30)}
        assert api.counts()["outbox"] == 30
        broker.start()
        with arrivals(api) as seen:
            eventually(lambda: wanted <= set(seen))
        assert eventually(lambda: api.counts()["outbox"] == 0)
