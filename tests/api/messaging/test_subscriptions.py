"""The agents' messages on their way through a running API: in groups, over kills and outages."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from api.db.tables import Clip
from tests.api.api_process import ApiProcess
from tests.api.conftest import MakeApi
from tests.api.messages import completed, progress
from tests.api.rows import put
from tests.support.broker import BrokerProcess
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually

CLIPS = 30
LEASE_SECONDS = 10
"""The shortest that Pub/Sub has."""


class HoldingProxy(TcpProxy):
    """Holds back the first acknowledgement and everything after it, until `restore`."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.armed = threading.Event()
        self.held = threading.Event()

    def _before_forward(self, source: socket.socket, data: bytes) -> None:
        # gRPC sends the name of a method in plain text the first time.
        if self.armed.is_set() and b"Subscriber/Acknowledge" in data:
            self.armed.clear()
            self.hang()
            self.held.set()
        super()._before_forward(source, data)


@pytest.fixture
def proxy(broker: BrokerProcess) -> Iterator[HoldingProxy]:
    with HoldingProxy(broker.host_port) as made:
        yield made


def rows(api: ApiProcess, *columns: Any) -> list[tuple[Any, ...]]:
    with api.database() as database, database.read() as session:
        found = session.execute(select(Clip.request_id, *columns).order_by(Clip.request_id))
        return [tuple(row) for row in found]


def requests_in(api: ApiProcess, count: int) -> list[str]:
    with api.database() as database:
        return [put(database) for _ in range(count)]


def logged(api: ApiProcess, event: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in api.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("message") == event]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.sampled(slow=2)
@pytest.mark.parametrize("kind", ["progress", "complete"])
def test_a_kill_between_the_commit_and_the_acknowledgement_changes_nothing(
    proxy: HoldingProxy, tmp_path: Path, kind: str
) -> None:
    over: dict[str, Any] = {"pubsub": {"lease_seconds": LEASE_SECONDS}}
    api = ApiProcess(tmp_path / "api", emulator=proxy.host_port, over=over)
    try:
        api.stop()
        ids = requests_in(api, CLIPS)
        if kind == "progress":
            story = [progress(request_id=each, seq=n, progress_percent=n) for n in (1, 2) for each in ids]
            api.send_all(story)
        else:
            api.send_all([completed(request_id=each) for each in ids])
        proxy.armed.set()
        api.start()
        assert proxy.held.wait(100)
        visible = (Clip.status, Clip.revision, Clip.seq, Clip.progress_percent, Clip.completion)
        before = rows(api, *visible)
        applied = {row[0] for row in before if row[1] != "queued"}
        assert applied, "the acknowledgement comes after the commit"
        stamps = dict(rows(api, Clip.last_sign_at))
        api.kill()

        proxy.restore()
        api.start()
        # Each of them is delivered again, once its lease has ended.
        eventually(
            lambda: all(at > stamps[each] for each, at in rows(api, Clip.last_sign_at)),
            "all messages to be applied again",
            within=150,
            every=0.2,
        )
        after = rows(api, *visible)
        if kind == "progress":
            eventually(lambda: {row[3] for row in rows(api, *visible)} == {2}, within=150, every=0.2)
            again = [row for row in before if row[3] == 2]
            assert again == [row for row in rows(api, *visible) if row[0] in {each[0] for each in again}]
            assert {(row[1], row[4]) for row in rows(api, *visible)} == {("processing", 2.0)}
        else:
            assert [row for row in before if row[0] in applied] == [row for row in after if row[0] in applied]
            assert {row[1] for row in after} == {"completed"}
            ends = Counter(line["request_id"] for line in logged(api, "request.status"))
            assert set(ends.values()) == {1}
        assert api.counts()["parked_messages"] == 0
    finally:
        api.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_kill_while_the_database_is_locked_loses_nothing(make_api: MakeApi) -> None:
    api = make_api(pubsub={"lease_seconds": LEASE_SECONDS})
    ids = requests_in(api, CLIPS)
    with api.database() as database, database.engine.connect() as connection:
        connection.execution_options(begin="")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        api.send_all([progress(request_id=each) for each in ids])
        api.send_all([completed(request_id=each) for each in ids[: CLIPS // 2]])
        eventually(lambda: {line["kind"] for line in logged(api, "intake.again")} == {"progress", "complete"})
        api.kill()
        connection.exec_driver_sql("ROLLBACK")
    assert {row[1] for row in rows(api, Clip.status)} == {"queued"}
    api.start()

    def applied() -> bool:
        found = dict(rows(api, Clip.status))
        return [found[each] for each in ids] == ["completed"] * (CLIPS // 2) + ["processing"] * (CLIPS // 2)

    assert eventually(applied, within=150, every=0.2)


def test_a_message_that_fails_is_delivered_again_and_does_not_stop_the_others(make_api: MakeApi) -> None:
    api = make_api()
    ids = requests_in(api, 10)
    with api.database() as database, database.exclusive() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER poison BEFORE UPDATE ON requests WHEN NEW.agent_id = 'poison' "
            "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        )
    bad = ids[3]
    api.send_all([progress(request_id=each, agent_id="poison" if each == bad else "nas-1") for each in ids])
    eventually(lambda: [row[0] for row in rows(api, Clip.status) if row[1] == "queued"] == [bad])
    eventually(lambda: logged(api, "intake.failed"))
    with api.database() as database, database.exclusive() as connection:
        connection.exec_driver_sql("DROP TRIGGER poison")
    eventually(lambda: {row[1] for row in rows(api, Clip.status)} == {"processing"})


@pytest.mark.slow
def test_completions_do_not_wait_for_a_backlog_of_progress(make_api: MakeApi) -> None:
    api = make_api()
    ids = requests_in(api, 20)
    api.stop()
    story = [progress(request_id=each, seq=n) for n in range(1, 41) for each in ids[1:]]
    api.send_all(story)
    api.send_all([completed(request_id=ids[0])])
    api.start()
    eventually(
        lambda: Counter(row[1] for row in rows(api, Clip.seq)) == {0: 1, 40: 19}, within=100, every=0.2
    )
    api.wait_for_status(ids[0], "completed")
    times = dict(rows(api, Clip.last_sign_at))
    assert times.pop(ids[0]) < max(times.values())
