"""Requests that fall silent, and rows that are kept no longer: with a clock in the test's hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest

from api.cluster.agents import AgentsWatch
from api.cluster.coordination import Coordination
from api.db import clips, idempotency, outbox, schema
from api.db.engine import Database
from api.messaging.outbox_publisher import OutboxPublisher, to_pubsub
from api.messaging.sweeper import Sweeper
from clipping.bus.publisher import Publisher
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.contract.cluster import cancel_key
from clipping.contract.messages import RequestMessage
from clipping.contract.reel import ReelMessage
from clipping.errors import QueueUnavailable
from clipping.store.memory import MemoryStore
from tests.api.api_process import ApiProcess
from tests.api.cluster.documents import CLUSTER, Agents
from tests.api.conftest import MakeApi
from tests.api.domain.test_request_state import at
from tests.api.messages import NOW, completed, failed, progress
from tests.api.rows import get, put, put_reel, report, unsent
from tests.api.workers import Workers
from tests.support.waiting import eventually

LOST_AFTER, TRIES = 60.0, 2


@dataclass
class Desk:
    """A sweeper and what it works on. Nothing is published: what should be stays in the outbox."""

    clock: ManualClock
    database: Database
    store: MemoryStore
    sweeper: Sweeper
    agents: AgentsWatch
    cluster: Agents
    """Their documents."""

    def pass_silence(self) -> int:
        """Let the time pass after which a request counts as lost, and sweep."""
        self.clock.advance(LOST_AFTER + 1)
        return self.sweeper.sweep()

    def take_outbox(self) -> list[str]:
        """Remove the requests in the outbox as if they were published; their ids, sorted."""
        return sorted(message.key for message in self.take_messages())

    def take_messages(self) -> list[outbox.Message]:
        with self.database.write() as session:
            now = self.clock.now()
            messages = outbox.claim(session, outbox.REQUESTS, now=now, until=now, limit=1000)
            outbox.remove(session.connection(), [message.id for message in messages])
        return messages


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    config = validate(
        {"limits": {"lost_after_seconds": LOST_AFTER, "lost_tries": TRIES}, "api": {"keep_days": 90}}
    )
    clock = ManualClock(NOW)
    database = Database(database_url, connections=8)
    schema.migrate(database)
    sender = to_pubsub(Publisher("test-project", timeout_seconds=1), "requests")
    store = MemoryStore(clock)
    coordination = Coordination(store, CLUSTER, has_leader=True)
    agents = AgentsWatch(coordination, clock)
    sweeper = Sweeper(
        config,
        database=database,
        outbox=OutboxPublisher(database, {outbox.REQUESTS: sender}, clock),
        store=store,
        clock=clock,
        held_up=lambda: agents.now().held_up,
    )
    yield Desk(clock, database, store, sweeper, agents, Agents(store))
    agents.close()
    coordination.close()
    database.close()


def enqueue(desk: Desk, topic: str, key: str) -> None:
    """A message that is not due during the test."""
    due = NOW + timedelta(days=1000)
    with desk.database.write() as session:
        outbox.add(session.connection(), [outbox.Entry(topic, key, b"x", {}, NOW)], due=due)


def test_a_silent_request_is_published_again_and_at_last_lost(desk: Desk) -> None:
    request_id = put(desk.database, metadata={"a": "ä"}, output={"fps": 25}, traceparent="00-trace")
    first = get(desk.database, request_id)
    for time in range(TRIES):
        assert desk.pass_silence() == 1
        row = get(desk.database, request_id)
        assert (row.status, row.lost_count, row.last_sign_at) == ("queued", time + 1, desk.clock.now())
        (sent,) = desk.take_messages()
        assert (sent.topic, sent.key) == (outbox.REQUESTS, request_id)
        message = RequestMessage.from_json(sent.payload)
        assert (message.request_id, message.owner, message.requested_at) == (request_id, "web", NOW)
        assert message.model_dump(mode="json", include=set(first.spec), exclude_none=True) == first.spec
        assert sent.attributes == {
            "request_id": request_id,
            "lane": "batch",
            "priority": "normal",
            "traceparent": "00-trace",
        }
    assert desk.pass_silence() == 1
    row = get(desk.database, request_id)
    assert row.status == "failed"
    assert row.completion is not None
    assert '"LOST"' in row.completion
    assert unsent(desk.database) == []
    assert desk.pass_silence() == 0


def test_a_silent_reel_is_published_again_as_it_was(desk: Desk) -> None:
    request_id = put_reel(desk.database)
    report(desk.database, progress(request_id=request_id, parts=[at(0, "cutting", 50)]))
    assert desk.pass_silence() == 1
    (sent,) = desk.take_messages()
    message = ReelMessage.from_json(sent.payload)
    row = get(desk.database, request_id)
    assert (message.request_id, message.reel_id, len(message.clips)) == (request_id, "reel-1", 2)
    assert message.model_dump(mode="json", include=set(row.spec), exclude_none=True) == row.spec
    assert (row.status, row.parts) == ("queued", None)


def test_while_no_agent_can_work_a_request_waits_and_is_not_lost(desk: Desk) -> None:
    request_id = put(desk.database)
    cancelled = put(desk.database, cancel_requested_at=NOW)
    for _ in range(3 * TRIES):
        desk.clock.advance(LOST_AFTER + 1)
        desk.cluster.lead(seq=int(desk.clock.monotonic()))
        desk.cluster.report(
            "nas-1", state="active", eligible=False, reasons=("signing: SIGNING_UNAVAILABLE",)
        )
        desk.cluster.report("nas-2", eligible=False)
        desk.sweeper.sweep()
    row = get(desk.database, request_id)
    assert (row.status, row.lost_count, row.last_sign_at) == ("queued", 0, desk.clock.now())
    assert unsent(desk.database) == []
    assert get(desk.database, cancelled).status == "cancelled"

    desk.clock.advance(LOST_AFTER + 1)
    desk.cluster.lead(seq=1)
    desk.cluster.report("nas-1", state="active")  # it can work again: the silence counts from now on
    assert desk.sweeper.sweep() == 1
    assert get(desk.database, request_id).lost_count == 1
    assert unsent(desk.database) == [request_id]


def test_a_completion_after_lost_is_accepted(desk: Desk) -> None:
    request_id = put(desk.database)
    for _ in range(TRIES + 1):
        desk.pass_silence()
        desk.take_outbox()
    assert get(desk.database, request_id).status == "failed"
    report(desk.database, completed(request_id=request_id), at=desk.clock.now())
    assert get(desk.database, request_id).status == "completed"


def test_a_sign_of_life_is_enough(desk: Desk) -> None:
    request_id = put(desk.database)
    for number in range(5):
        desk.clock.advance(LOST_AFTER - 1)
        # The same message again and again, or a straggler, is a sign as well.
        report(desk.database, progress(request_id=request_id, seq=5 - number), at=desk.clock.now())
        assert desk.sweeper.sweep() == 0
    assert get(desk.database, request_id).lost_count == 0


def test_messages_of_a_deposed_agent_are_no_sign_of_life(desk: Desk) -> None:
    request_id = put(desk.database)
    report(desk.database, progress(request_id=request_id, epoch=7), at=desk.clock.now())
    desk.clock.advance(LOST_AFTER - 1)
    report(desk.database, progress(request_id=request_id, epoch=6), at=desk.clock.now())
    report(desk.database, failed(request_id=request_id, epoch=6), at=desk.clock.now())
    desk.clock.advance(2)
    assert desk.sweeper.sweep() == 1


def test_a_republished_request_starts_again(desk: Desk) -> None:
    request_id = put(desk.database)
    checkpoint = {"frame": 750, "total": 1250, "segment": 3, "segments": 5, "resumed_count": 1}
    before = progress(request_id=request_id, attempt=7, epoch=3, progress_percent=70.0, checkpoint=checkpoint)
    report(desk.database, before, at=desk.clock.now())
    revision = get(desk.database, request_id).revision
    desk.pass_silence()
    row = get(desk.database, request_id)
    assert (row.status, row.stage, row.progress_percent, row.agent_id) == ("queued", "waiting", 0.0, None)
    assert (row.started_at, row.epoch, row.resumed_count, row.checkpoint) == (None, 3, 1, checkpoint)
    assert row.revision == revision + 1
    # A new message's attempts are counted from one.
    report(desk.database, progress(request_id=request_id, attempt=1, epoch=3), at=desk.clock.now())
    assert (get(desk.database, request_id).status, get(desk.database, request_id).attempt) == (
        "processing",
        1,
    )


def test_a_request_in_the_outbox_is_not_lost(desk: Desk) -> None:
    request_id = put(desk.database)
    enqueue(desk, outbox.REQUESTS, request_id)
    assert desk.pass_silence() == 0


def test_a_message_of_another_topic_does_not_keep_a_request(desk: Desk) -> None:
    request_id = put(desk.database)
    enqueue(desk, "webhooks", request_id)
    assert desk.pass_silence() == 1
    assert unsent(desk.database) == [request_id]


def test_a_request_behind_others_is_not_lost(desk: Desk) -> None:
    """A backlog that one slot works off, each clip taking almost as long as silence may last."""
    waiting = [put(desk.database, at=NOW + timedelta(seconds=n)) for n in range(6)]
    for request_id in waiting:
        report(desk.database, progress(request_id=request_id), at=desk.clock.now())
        desk.clock.advance(LOST_AFTER - 1)
        assert desk.sweeper.sweep() == 0
        report(desk.database, completed(request_id=request_id), at=desk.clock.now())
    assert {get(desk.database, request_id).status for request_id in waiting} == {"completed"}


def test_a_request_in_a_lane_without_agents_is_lost(desk: Desk) -> None:
    put(desk.database), put(desk.database)
    assert desk.pass_silence() == 2


def test_an_overtaken_request_is_lost(desk: Desk) -> None:
    first = put(desk.database)
    second = put(desk.database, at=NOW + timedelta(seconds=1))
    report(desk.database, progress(request_id=second), at=desk.clock.now())
    desk.clock.advance(LOST_AFTER + 1)
    report(desk.database, progress(request_id=second, seq=2), at=desk.clock.now())
    assert desk.sweeper.sweep() == 1
    assert unsent(desk.database) == [first]


def test_another_lanes_agents_do_not_count(desk: Desk) -> None:
    waiting = put(desk.database, mode="encode")
    busy = put(desk.database, mode="copy")
    desk.clock.advance(LOST_AFTER + 1)
    report(desk.database, progress(request_id=busy), at=desk.clock.now())
    assert desk.sweeper.sweep() == 1
    assert unsent(desk.database) == [waiting]


def test_a_silent_request_that_was_to_be_cancelled_is(desk: Desk) -> None:
    request_id = put(desk.database, cancel_requested_at=NOW)
    report(desk.database, progress(request_id=request_id), at=desk.clock.now())
    assert desk.pass_silence() == 1
    assert get(desk.database, request_id).status == "cancelled"
    assert unsent(desk.database) == []


def test_finished_requests_are_never_touched(desk: Desk) -> None:
    for message in (completed, failed):
        report(desk.database, message(request_id=put(desk.database)), at=NOW)
    assert desk.pass_silence() == 0


def test_several_sweepers_publish_each_request_once(desk: Desk) -> None:
    ids = [put(desk.database) for _ in range(250)]
    desk.clock.advance(LOST_AFTER + 1)
    swept: list[int] = []

    def sweep() -> None:
        # A sweep that waits too long for its turn fails, and is repeated, as the API's timer does.
        done = False
        while not done:
            with suppress(QueueUnavailable):
                swept.append(desk.sweeper.sweep())
                done = True

    threads = [threading.Thread(target=sweep, name=f"sweep-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(swept) <= len(ids)  # one that failed does not say what it had swept until then
    assert desk.take_outbox() == sorted(ids)
    assert {get(desk.database, request_id).lost_count for request_id in ids} == {1}


def test_old_rows_go_with_their_marks(desk: Desk) -> None:
    waiting = put(desk.database)
    old = [put(desk.database) for _ in range(3)]
    for request_id in old:
        report(desk.database, failed(request_id=request_id), at=NOW)
    marked = put(desk.database, cancel_requested_at=NOW)
    report(desk.database, failed(request_id=marked, status="cancelled"), at=NOW)
    desk.store.replace(cancel_key(marked), b"{}", expected=None)
    desk.clock.advance(89 * 86_400)
    young = put(desk.database)
    report(desk.database, completed(request_id=young), at=desk.clock.now())
    assert desk.sweeper.clean() == 0
    desk.clock.advance(2 * 86_400)
    enqueue(desk, outbox.REQUESTS, old[0])
    enqueue(desk, outbox.REQUESTS, waiting)
    assert desk.sweeper.clean() == 4
    assert unsent(desk.database) == [waiting]
    assert desk.store.stat(cancel_key(marked)) is None
    with desk.database.read() as session:
        kept = [row for row in (waiting, young, *old, marked) if clips.find(session, row)]
    assert kept == [waiting, young]


def test_idempotency_keys_are_kept_for_a_day(desk: Desk) -> None:
    with desk.database.write() as session:
        for key, hours in (("old", 25), ("young", 23)):
            then = NOW - timedelta(hours=hours)
            kept = idempotency.Kept("0", b"")
            assert idempotency.claim(session, "web", key, kept, status=202, now=then, since=then)
    assert desk.sweeper.clean() == 1
    with desk.database.read() as session:
        assert idempotency.find(session, "web", "young", since=NOW - timedelta(days=1)) is not None


@pytest.mark.slow
def test_a_request_that_an_agent_never_reports_on_is_republished_and_fails(make_api: MakeApi) -> None:
    api: ApiProcess = make_api(limits={"lost_after_seconds": 1, "lost_tries": 2})
    with Workers(api, do=lambda _worker, _message: None) as workers:
        request_id = api.request().json()["request_id"]
        status = api.wait_for_status(request_id, "failed")
        assert status["error"]["code"] == "LOST"
        assert eventually(lambda: workers.seen[request_id] == 3)
