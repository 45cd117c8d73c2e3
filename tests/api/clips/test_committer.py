"""Group commit: every call gets its own outcome, whatever the others in its group do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from api.clips.committer import STOPPING, TOO_BUSY, Committer
from api.clips.group import Answer, Call, Refusals, Request
from api.clips.idempotency import Repeat, keep_answer
from api.clips.quotas import ShortsUsedUp
from api.db import clips, schema
from api.db.engine import Database
from api.db.outbox import REQUESTS, Entry, Message
from api.db.tables import Clip
from api.domain.retention import Retention
from api.messaging.outbox_publisher import OutboxPublisher
from clipping.clock import SystemClock
from clipping.config import validate
from clipping.contract.messages import ClipRequest, RequestMessage
from clipping.contract.output import Output
from clipping.errors import IdempotencyConflict, QueueUnavailable
from tests.api.messages import NOW
from tests.support.waiting import eventually


@dataclass
class Desk:
    """A committer with the threads that call it."""

    database: Database
    published: list[Sequence[str]]
    """The request ids of each call to Pub/Sub."""
    outbox: OutboxPublisher
    committer: Committer
    threads: ThreadPoolExecutor

    def commit(self, call: Call) -> Future[Answer]:
        """Call it from a thread."""
        return self.threads.submit(self.committer.commit, call)

    def queue(self, *calls: Call) -> list[Future[Answer]]:
        """The same for several, that wait in this order while nothing takes them."""
        futures = []
        for number, call in enumerate(calls, 1):
            futures.append(self.commit(call))
            eventually(lambda least=number: self.committer.waiting == least, every=0.002)
        return futures

    def together(self, *calls: Call) -> list[Future[Answer]]:
        """Commit the calls as one group."""
        futures = self.queue(*calls)
        self.committer.start()
        return futures

    def stored(self) -> set[str]:
        with self.database.read() as session:
            return {each for each in IDS if clips.find(session, each) is not None}


IDS = [f"clip-20261120-{number:012d}" for number in range(100)]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=8)
    schema.migrate(made)
    made.close()  # SQLite has its log from the next connection on
    yield made
    made.close()


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(database: Database) -> Iterator[MakeDesk]:
    made: list[Desk] = []

    def make(*, shorts_per_day: int = 10, most_waiting: int = 50) -> Desk:
        published: list[Sequence[str]] = []

        def send(messages: Sequence[Message], timeout_seconds: float) -> None:
            published.append([message.key for message in messages])

        outbox = OutboxPublisher(database, {REQUESTS: send}, SystemClock())
        committer = Committer(
            database,
            outbox,
            SystemClock(),
            shorts_per_day=shorts_per_day,
            retention=Retention.of(validate({})),
            most_waiting=most_waiting,
        )
        made.append(Desk(database, published, outbox, committer, ThreadPoolExecutor(24)))
        return made[-1]

    yield make
    for desk in made:
        desk.committer.stop(30)
        desk.outbox.stop(30)
        desk.threads.shutdown()


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk()


def call(
    number: int, *, owner: str = "web", key: str | None = None, content: str = "a", short: bool = False
) -> Call:
    output = Output(aspect="9:16") if short else Output()
    wanted = ClipRequest(
        hand_id="h", nas_video_path="/nas/a.mp4", start_seconds=1, end_seconds=2, mode="encode", output=output
    )
    message = RequestMessage.of(wanted, request_id=IDS[number], owner=owner, requested_at=SystemClock().now())

    def answer(refusals: Refusals) -> bytes:
        if refusals[0] is not None:
            raise refusals[0]
        return body(message.request_id)

    entry = Entry(REQUESTS, message.request_id, message.to_json(), {}, NOW)
    repeat = Repeat(owner, key, content) if key else None
    return Call(owner, [Request(clips.row_of(message), entry)], answer, repeat)


def body(request_id: str) -> bytes:
    return json.dumps({"request_id": request_id}).encode()


def results(futures: Sequence[Future[Answer]]) -> list[Answer | type[BaseException]]:
    return [
        future.result() if future.exception(60) is None else type(future.exception()) for future in futures
    ]


def test_calls_that_wait_are_committed_and_published_together(desk: Desk) -> None:
    futures = desk.together(*(call(number) for number in range(20)))
    assert results(futures) == [Answer(body(each)) for each in IDS[:20]]
    assert desk.stored() == {*IDS[:20]}
    if desk.database.log is not None:
        assert desk.database.log.flushes == 1
    desk.outbox.start()
    assert eventually(lambda: desk.published == [IDS[:20]])


def test_a_bad_row_does_not_fail_its_group(desk: Desk) -> None:
    futures = desk.together(call(1), call(2), call(2), call(3))
    assert results(futures) == [
        Answer(body(IDS[1])),
        Answer(body(IDS[2])),
        IntegrityError,
        Answer(body(IDS[3])),
    ]
    assert desk.stored() == {*IDS[1:4]}
    assert results([desk.commit(call(4))]) == [Answer(body(IDS[4]))]


def test_one_key_in_a_group_is_stored_once(desk: Desk) -> None:
    calls = [call(0, key="k"), call(1, key="k"), call(2, key="k", content="b"), call(3, owner="x", key="k")]
    first = Answer(body(IDS[0]))
    assert results(desk.together(*calls)) == [
        first,
        Answer(first.body, repeated=True),
        IdempotencyConflict,
        Answer(body(IDS[3])),
    ]
    assert results([desk.commit(call(5, key="k"))]) == [Answer(first.body, repeated=True)]
    assert desk.stored() == {IDS[0], IDS[3]}


def test_quotas_are_exact_within_a_group(make_desk: MakeDesk) -> None:
    desk = make_desk(shorts_per_day=2)
    calls = [
        call(0, short=True),
        call(1),
        call(2, short=True, owner="x"),
        call(3, short=True, key="k"),
        call(4, short=True),
        call(5, short=True, key="k"),
        call(6, short=True, key="free"),
    ]
    assert results(desk.together(*calls)) == [
        *[Answer(body(IDS[number])) for number in range(4)],
        ShortsUsedUp,
        Answer(body(IDS[3]), repeated=True),
        ShortsUsedUp,
    ]
    assert results([desk.commit(call(7, key="free"))]) == [Answer(body(IDS[7]))], "a refused call frees it"
    assert results([desk.commit(call(8, short=True))]) == [ShortsUsedUp]
    assert desk.stored() == {IDS[number] for number in (0, 1, 2, 3, 7)}


def test_a_full_queue_refuses_further_calls(make_desk: MakeDesk) -> None:
    desk = make_desk(most_waiting=2)
    waiting = desk.queue(call(0), call(1))
    with pytest.raises(QueueUnavailable, match=TOO_BUSY):
        desk.committer.commit(call(2))
    # Nothing takes them, so that they give up: their threads are needed.
    assert results(waiting) == [QueueUnavailable, QueueUnavailable]
    assert desk.committer.waiting == 0
    desk.committer.start()
    assert results([desk.commit(call(3))]) == [Answer(body(IDS[3]))]
    assert desk.stored() == {IDS[3]}


def test_a_stop_completes_the_calls_that_wait(desk: Desk) -> None:
    with desk.database.transaction() as other:
        if not desk.database.is_sqlite:
            other.exec_driver_sql("LOCK TABLE requests IN EXCLUSIVE MODE")
        first = desk.together(call(0))
        eventually(lambda: desk.committer.waiting == 0, "the first group")
        more = desk.queue(call(1), call(2))
        stopping = threading.Thread(target=desk.committer.stop, args=(30,), name="stop")
        stopping.start()
        eventually(lambda: desk.committer.stopping)
        with pytest.raises(QueueUnavailable, match=STOPPING):
            desk.committer.commit(call(3))
    assert results([*first, *more]) == [Answer(body(IDS[number])) for number in range(3)]
    stopping.join(30)
    assert not stopping.is_alive()
    assert desk.stored() == {*IDS[:3]}


def test_a_busy_database_is_reported_to_each_call(desk: Desk, database_url: str) -> None:
    other = Database(database_url, connections=1)
    with other.transaction() as connection:
        if not other.is_sqlite:
            connection.exec_driver_sql("LOCK TABLE requests IN EXCLUSIVE MODE")
        futures = desk.together(call(0), call(1))
        errors = [future.exception(60) for future in futures]
    assert [type(each) for each in errors] == [QueueUnavailable] * 2
    assert errors[0] is not errors[1]
    assert results([desk.commit(call(2))]) == [Answer(body(IDS[2]))]
    assert desk.stored() == {IDS[2]}
    other.close()


def test_a_key_that_another_process_holds_delays_only_its_call(desk: Desk, database_url: str) -> None:
    if desk.database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    other = Database(database_url, connections=1)
    with other.write() as session:
        assert keep_answer(session, Repeat("web", "k", "a"), body("other"), now=SystemClock().now()) is None
        futures = desk.together(call(0), call(1, key="k"), call(2, key="l"))
        assert results(futures[:1]) == [Answer(body(IDS[0]))]
        assert results(futures[1:]) == [QueueUnavailable, Answer(body(IDS[2]))]
    assert results([desk.commit(call(3, key="k"))]) == [Answer(body("other"), repeated=True)]
    other.close()


def test_a_key_whose_clip_has_expired_is_free_for_one_call(make_desk: MakeDesk) -> None:
    one, other = make_desk(), make_desk()
    assert results(one.together(call(0, key="k"))) == [Answer(body(IDS[0]))]
    expired = {"status": "completed", "folder": "clips", "stored_at": NOW - timedelta(days=1000)}
    with one.database.write() as session:
        session.execute(update(Clip).where(Clip.request_id == IDS[0]).values(**expired))
    other.committer.start()
    # Another content is refused as before.
    assert results([one.commit(call(1, key="k", content="b"))]) == [IdempotencyConflict]
    futures = [desk.commit(call(number, key="k")) for number, desk in enumerate((one, other) * 4, 2)]
    answers = [future.result(60) for future in futures]
    assert sorted(answer.repeated for answer in answers) == [False, *[True] * 7]
    assert len({answer.body for answer in answers}) == 1
    assert len(one.stored()) == 2
