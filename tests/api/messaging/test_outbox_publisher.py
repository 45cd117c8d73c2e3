"""Nothing that was accepted is lost between the database and Pub/Sub."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from api.db import clips, outbox, schema
from api.db.engine import Database
from api.db.outbox import Entry
from clipping.bus.subscriber import Delivery, Subscription
from clipping.contract.messages import ClipRequest, RequestMessage
from tests.api.api_process import ApiProcess, emulator_host
from tests.api.conftest import MakeApi
from tests.api.messages import NOW, completed
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/clips.db", connections=8)
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
    """Accepted requests that nobody has published; Pub/Sub takes all of them but the one at `refused`."""
    ids = [f"clip-20261120-{number:012d}" for number in range(count)]
    wanted = ClipRequest(hand_id="h", nas_video_path="/nas/a.mp4", start_seconds=1, end_seconds=2)
    with database.write() as session:
        for number, request_id in enumerate(ids):
            message = RequestMessage.of(wanted, request_id=request_id, owner="web", requested_at=NOW)
            clips.add(session, [clips.row_of(message)])
            attributes = {"request_id": request_id, **({"x" * 257: ""} if number == refused else {})}
            outbox.add(session, Entry(request_id, b"x", attributes), now=NOW, next_attempt_at=NOW)
    return ids


def test_two_instances_never_claim_the_same(database: Database) -> None:
    ids = fill(database, 60)
    claimed: list[str] = []

    def claim() -> None:
        until = NOW + timedelta(seconds=30)
        while True:
            with database.write() as session:
                entries = outbox.claim(session, now=NOW, until=until, limit=7)
            if not entries:
                return
            claimed.extend(entry.request_id for entry in entries)

    threads = [threading.Thread(target=claim, name=f"claim-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(claimed) == ids


def test_a_claim_that_nobody_finished_is_due_again(database: Database) -> None:
    fill(database, 3)
    until = NOW + timedelta(seconds=30)
    with database.write() as session:
        assert len(outbox.claim(session, now=NOW, until=until, limit=10)) == 3
        assert not outbox.any_due(session, NOW)
    with database.write() as session:
        assert outbox.any_due(session, until)
        again = outbox.claim(session, now=until, until=until + timedelta(seconds=30), limit=10)
        outbox.postpone(session, again[:1], until=until, failed=True)
        outbox.remove(session, [again[2].request_id])
    with database.read() as session:
        assert outbox.oldest(session) == NOW
    with database.write() as session:
        found = outbox.claim(session, now=until, until=until, limit=10)
    assert [(entry.request_id, entry.attempts) for entry in found] == [(again[0].request_id, 1)]


def test_a_published_request_leaves_the_outbox(make_api: MakeApi) -> None:
    api = make_api()
    with arrivals(api) as seen:
        wanted = [api.request().json()["request_id"] for _ in range(20)]
        eventually(lambda: api.counts()["outbox"] == 0)
        eventually(lambda: len(seen) >= 20)
    assert sorted(seen) == sorted(wanted)


def test_one_that_pubsub_refuses_keeps_none_of_the_others(make_api: MakeApi) -> None:
    api = make_api()
    with arrivals(api) as seen, api.database() as database:
        ids = fill(database, 40, refused=11)
        bad = ids.pop(11)
        eventually(lambda: len(seen) >= len(ids))
        eventually(lambda: api.counts()["outbox"] == 1)
        with database.write() as session:
            later = NOW + timedelta(days=10_000)
            (left,) = outbox.claim(session, now=later, until=later, limit=10)
    assert sorted(set(seen)) == ids
    assert left.request_id == bad
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
