"""Messages into the database: whatever order they come in, and whatever is in them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from api.clips.views import status_of
from api.db import clips, schema
from api.db.engine import Database
from api.db.tables import Clip, ParkedMessage
from api.domain.retention import Retention
from api.messaging.agent_messages import Ingest, Kind
from clipping.bus.groups import Received
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.contract.effects import Effects
from clipping.contract.messages import CompletionMessage, ProgressMessage, RequestMessage
from tests.api.domain.test_request_state import failures, progresses
from tests.api.histories import KINDS, history
from tests.api.messages import NOW, completed, failed, progress, retrying
from tests.api.rows import get, put, report


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, connections=4)
    schema.migrate(made)
    yield made
    made.close()


def parked(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(ParkedMessage)) or 0


def bury(database: Database, request_id: str, attempts: str = "20") -> None:
    """Let Pub/Sub give the request up."""
    with database.read() as session:
        found = clips.find(session, request_id)
        assert found is not None
        data = clips.message_of(found).to_json()
    attributes = {"CloudPubSubDeadLetterSourceDeliveryCount": attempts}
    Ingest(database, ManualClock(NOW)).take("dead-letter", "1", data, attributes)


@pytest.mark.sampled(4, slow=3)
@pytest.mark.parametrize("kind", range(len(KINDS)))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_any_order_and_number_of_messages_ends_as_it_must(
    database: Database, kind: int, data: st.DataObject
) -> None:
    request_id = put(database)
    story = history(request_id, kind)
    again = data.draw(st.lists(st.sampled_from(story.messages), max_size=5)) if story.messages else []
    for message in data.draw(st.permutations([*story.messages, *again])):
        report(database, message)
    row = get(database, request_id)
    assert {name: getattr(row, name) for name in story.shown} == story.shown


def test_the_revision_counts_what_can_be_seen(database: Database) -> None:
    request_id = put(database)
    seen = [get(database, request_id).revision]
    named: dict[str, Any] = {"request_id": request_id}
    for message, more in [
        (progress(**named, seq=1), 1),
        (progress(**named, seq=1), 0),
        (progress(**named, seq=2), 0),
        (progress(**named, seq=3, progress_percent=60.0), 1),
        (progress(**named, seq=1, progress_percent=10.0), 0),
        (progress(**named, seq=4, progress_percent=60.0, stage="uploading"), 1),
        (completed(**named), 1),
        (completed(**named), 0),
        (failed(**named), 0),
    ]:
        report(database, message)
        seen.append(get(database, request_id).revision)
        assert seen[-1] - seen[-2] == more, message


def test_a_retry_is_stored_shown_and_counted_once(database: Database) -> None:
    request_id = put(database)
    codes: list[str] = []
    ingest = Ingest(database, ManualClock(NOW), on_retry=codes.append)
    late = NOW + timedelta(seconds=2, microseconds=123_456)
    error = {"code": "SIGNING_UNAVAILABLE", "message": "no role \0", "at": late}
    waits = retrying(request_id=request_id, last_error=error, next_attempt_at=late, seq=2)
    body = {**json.loads(waits.to_json()), "next_attempt_at": late.isoformat()}
    body["last_error"]["at"] = late.isoformat()  # to the microsecond, as another sender may write it
    for _ in range(3):
        ingest.take("progress", "1", json.dumps(body).encode(), {})
    row = get(database, request_id)
    assert (row.revision, codes) == (2, ["SIGNING_UNAVAILABLE"])
    shown = json.loads(status_of(row, Retention.of(validate({})), NOW, None).to_json())
    assert (shown["status"], shown["stage"], shown["attempt"]) == ("processing", "retrying", 1)
    assert shown["next_attempt_at"] == "2026-11-20T08:15:32.123Z"
    assert shown["last_error"] == {**error, "at": "2026-11-20T08:15:32.123Z"}

    report(database, progress(request_id=request_id, attempt=2, stage="probing"))
    shown = json.loads(status_of(get(database, request_id), Retention.of(validate({})), NOW, None).to_json())
    assert (shown["stage"], shown["last_error"]["code"]) == ("probing", "SIGNING_UNAVAILABLE")
    assert "next_attempt_at" not in shown
    report(database, completed(request_id=request_id))
    row = get(database, request_id)
    assert (row.last_error, row.next_attempt_at) == (None, None)
    report(database, retrying(request_id=request_id, attempt=3))
    assert get(database, request_id).revision == row.revision
    assert codes == ["SIGNING_UNAVAILABLE"]


def test_a_clip_without_progress_has_a_start(database: Database) -> None:
    request_id = put(database)
    report(database, completed(request_id=request_id, completed_at=NOW, processing_time_seconds=4.0))
    row = get(database, request_id)
    assert (row.started_at, row.completed_at) == (NOW - timedelta(seconds=4), NOW)


def test_what_pubsub_gives_up_fails_visibly(database: Database) -> None:
    request_id = put(database)
    bury(database, request_id)
    end = CompletionMessage.from_json((get(database, request_id).completion or "").encode())
    assert (end.status, end.error and end.error.code) == ("failed", "LOST")
    report(database, completed(request_id=request_id))
    assert get(database, request_id).status == "completed"
    bury(database, request_id)
    assert get(database, request_id).status == "completed"


def test_what_pubsub_gives_up_was_cancelled_when_that_was_asked_for(database: Database) -> None:
    request_id = put(database, cancel_requested_at=NOW)
    report(database, progress(request_id=request_id))
    bury(database, request_id)
    assert get(database, request_id).status == "cancelled"


def test_a_message_of_an_unknown_request_is_ignored(database: Database) -> None:
    for message in (progress(), completed(), failed()):
        report(database, message)
    assert parked(database) == 0


HUGE = 10**30


@pytest.mark.sampled(4, slow=3)
@pytest.mark.parametrize(
    ("kind", "over"),
    [
        ("complete", {"request_id": "clip-20261120-\0aaaaaaaaaaaa"}),
        ("complete", {"request_id": "x"}),
        ("complete", {"agent_id": "a\0b"}),
        ("complete", {"agent_id": "a" * 65}),
        ("complete", {"epoch": -1}),
        ("complete", {"epoch": HUGE}),
        ("complete", {"attempt": HUGE}),
        ("complete", {"file_size_bytes": HUGE}),
        ("complete", {"file_size_bytes": -1}),
        ("complete", {"completed_at": "0001-01-01T00:00:00+14:00"}),
        ("complete", {"completed_at": "9999-12-31T23:59:59-14:00"}),
        ("complete", {"download_url_expires_at": "0001-01-01T00:00:00+14:00"}),
        ("complete", {"completed_at": 5}),
        ("complete", {"status": "processing"}),
        ("complete", {"report": {"mode": "copy"}}),
        ("progress", {"seq": HUGE}),
        ("progress", {"seq": -1}),
        ("progress", {"stage": "sleeping"}),
        ("progress", {"progress_percent": "50"}),
        ("progress", {"last_error": {"code": "X", "message": "y"}}),
        ("progress", {"last_error": {"code": "X" * 65, "message": "y", "at": "2026-11-20T08:15:30Z"}}),
        ("progress", {"last_error": {"code": "X", "message": "y" * 10_001, "at": "2026-11-20T08:15:30Z"}}),
        ("progress", {"last_error": {"code": "X", "message": "y", "at": "0001-01-01T00:00:00+14:00"}}),
        ("progress", {"next_attempt_at": "9999-12-31T23:59:59-14:00"}),
        ("progress", {"next_attempt_at": 5}),
        ("progress", {"checkpoint": {"frame": -1, "total": 9, "segment": 0, "segments": 3}}),
        ("progress", {"checkpoint": {"frame": "1", "total": 9, "segment": 0, "segments": 3}}),
        ("progress", {"checkpoint": {"segments": 3}}),
        ("dead-letter", {"owner": None}),
    ],
    ids=str,
)
def test_a_poisoned_message_is_stored_aside(database: Database, kind: Kind, over: dict[str, Any]) -> None:
    request_id = put(database)
    made = {"complete": completed, "progress": progress}.get(kind)
    body = json.loads(made(request_id=request_id).to_json()) if made else {"request_id": request_id}
    data = json.dumps({**body, **over}).encode()
    Ingest(database, ManualClock(NOW)).take(kind, "id\0", data, {"a": "\0"})
    assert parked(database) == 1
    assert get(database, request_id).status == "queued"


def test_metadata_may_hold_any_character(database: Database) -> None:
    pairs = {"nul": "\0", "astral": "\U0001f3b4", "quote": "'\"\\"}
    request_id = put(database, metadata=pairs)
    row = get(database, request_id)
    assert row.spec["metadata"] == pairs
    assert RequestMessage.from_json(clips.message_of(row).to_json()).metadata == pairs


def test_effects_are_published_again_as_they_were_requested(database: Database) -> None:
    ellipse = {"time": 1, "x": 5, "y": 5, "radiusX": 2, "radiusY": 3}
    effects = {
        "framing": {"keyframes": [{"time": 0, "x": 0, "y": 0, "width": 90, "height": 160}]},
        "segments": [{"start": 0, "end": 1, "speed": 2}],
        "overlay": {"regions": [{"start_time": 0, "end_time": 1, "keyframes": [ellipse]}]},
        "title": {"name": "Goal"},
    }
    request_id = put(database, mode="encode", effects=effects)
    message = RequestMessage.from_json(clips.message_of(get(database, request_id)).to_json())
    assert message.effects == Effects.model_validate(effects)


def group_of(*messages: CompletionMessage | ProgressMessage | bytes) -> list[Received]:
    data = [each if isinstance(each, bytes) else each.to_json() for each in messages]
    return [Received(str(n), each, {}, NOW.timestamp(), f"ack-{n}") for n, each in enumerate(data)]


def columns(row: Clip) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in Clip.__table__.columns}


@pytest.mark.slow
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(messages=st.lists(progresses, min_size=1, max_size=8), ends=st.lists(failures, max_size=2))
def test_a_group_has_the_effect_of_its_messages(
    database: Database, messages: list[ProgressMessage], ends: list[CompletionMessage]
) -> None:
    one, all_at_once = put(database), put(database)
    ingest = Ingest(database, ManualClock(NOW))
    for kind, story in (("progress", messages), ("complete", ends)):
        for message in story:
            report(database, message.model_copy(update={"request_id": one}))
        group = group_of(*(message.model_copy(update={"request_id": all_at_once}) for message in story))
        assert ingest.take_all(kind, group) == group  # type: ignore[arg-type]
    expected, found = columns(get(database, one)), columns(get(database, all_at_once))
    for row in (expected, found):
        del row["change_id"]  # the place among the changes of all requests
        row["completion"] = (row["completion"] or "").replace(row.pop("request_id"), "")
    assert found == expected


def test_a_group_is_one_transaction_with_one_change_of_each_row(database: Database) -> None:
    ids = [put(database) for _ in range(3)]
    ran: list[tuple[str, int]] = []

    def ran_one(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        ran.append((statement.split()[0], len(parameters) if many else 1))

    event.listen(database.engine, "before_cursor_execute", ran_one)
    group = group_of(
        *(progress(request_id=each, seq=n, progress_percent=n) for n in range(1, 5) for each in ids)
    )
    assert Ingest(database, ManualClock(NOW)).take_all("progress", group) == group
    event.remove(database.engine, "before_cursor_execute", ran_one)
    assert sum(count for word, count in ran if word == "UPDATE") == 3
    assert [word for word, _ in ran].count("SELECT") == 1
    assert [word for word, _ in ran].count("BEGIN") <= 1
    assert {(row.seq, row.progress_percent) for row in (get(database, each) for each in ids)} == {(4, 4.0)}


def test_retries_in_a_group_are_counted_one_by_one(database: Database) -> None:
    ids, codes = [put(database), put(database)], list[str]()
    group = group_of(
        *(retrying(code, request_id=each, attempt=n) for n, code in enumerate(("A", "B"), 1) for each in ids),
        retrying("B", request_id=ids[0], attempt=2),
    )
    Ingest(database, ManualClock(NOW), on_retry=codes.append).take_all("progress", group)
    assert sorted(codes) == ["A", "A", "B", "B"]


def test_what_cannot_be_read_does_not_fail_its_group(database: Database) -> None:
    request_id = put(database)
    group = group_of(b"no JSON", progress(request_id=request_id), progress(), progress(seq=HUGE))
    assert Ingest(database, ManualClock(NOW)).take_all("progress", group) == [
        group[0],
        group[3],
        group[1],
        group[2],
    ]
    assert parked(database) == 2
    assert get(database, request_id).status == "processing"


def poison(database: Database) -> None:
    """The database refuses an agent from now on."""
    with database.exclusive() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql(
                "CREATE TRIGGER poison BEFORE UPDATE ON requests WHEN NEW.agent_id = 'poison' "
                "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
            )
        else:
            connection.exec_driver_sql(
                "ALTER TABLE requests ADD CONSTRAINT poison CHECK (agent_id <> 'poison')"
            )


def test_a_message_that_fails_does_not_fail_its_group(database: Database) -> None:
    poison(database)
    ids = [put(database) for _ in range(5)]
    group = group_of(
        *(progress(request_id=each, agent_id="poison" if n == 2 else "nas-1") for n, each in enumerate(ids))
    )
    settled = Ingest(database, ManualClock(NOW)).take_all("progress", group)
    assert settled == [*group[:2], *group[3:]]
    assert [get(database, each).status for each in ids] == [
        "queued" if n == 2 else "processing" for n in range(5)
    ]


def test_a_database_that_is_away_settles_nothing(tmp_path: Path) -> None:
    away = Database(f"sqlite:///{tmp_path}/nowhere/x.db", connections=1)
    group = group_of(progress(), b"no JSON")
    assert Ingest(away, ManualClock(NOW)).take_all("progress", group) == []
    away.close()


def test_groups_of_the_same_requests_do_not_block_each_other(database: Database) -> None:
    ids, rounds = [put(database) for _ in range(20)], 15

    def apply(agent: int) -> bool:
        ingest, dice = Ingest(database, ManualClock(NOW)), random.Random(agent)
        done = True
        for seq in range(1, rounds + 1):
            order = dice.sample(ids, len(ids))
            group = group_of(*(progress(request_id=each, seq=seq, agent_id=f"nas-{agent}") for each in order))
            done = done and ingest.take_all("progress", group) == group
        return done

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(apply, range(3)))
    assert {get(database, each).seq for each in ids} == {rounds}
