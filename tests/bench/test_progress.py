"""The benchmark of clips in flight: its phases against a real service, and its table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.load.polls import Polls
from bench.progress import Bench, Phase, table
from tests.api.api_process import CLIENT, ApiProcess, emulator_host
from tests.api.messages import progress
from tests.api.rows import get, put, report
from tests.support.broker import BrokerProcess
from tests.support.waiting import eventually


def test_the_table_compares_with_the_control() -> None:
    idle = Phase("idle", 10.0, 0, {"API": 0.1, "broker": 0.2})
    bare = Phase("bare messages", 10.0, 100, {"API": 1.0, "broker": 2.0})
    ours = Phase("progress", 10.0, 100, {"API": 0.5, "broker": 1.0}, ["a note"])
    rows = [row.split() for row in table([idle, bare, ours]).splitlines()[2:]]
    assert rows[0] == ["idle", "0", "0.010", "0.020"]
    assert rows[2] == ["progress", "10", "0.050", "0.100", "5.00", "10.00", "0.50x", "a", "note"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_phase_is_measured(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "broker") as broker, emulator_host(broker.host_port):
        api = ApiProcess(tmp_path / "api", emulator=broker.host_port)
        try:
            with api.database() as database:
                bench = Bench(api, database, clips=4, every=0.5, seconds=1.0, poll=0.2)
                phases = list(bench.phases({"API": api.pid, "broker": broker.pid}))
                assert {get(database, each).seq for each in bench.ids} == {bench.sent}
        finally:
            api.close()
    messages = {phase.name: phase.messages for phase in phases}
    sending = ["bare messages", "progress", "+ streams", "+ polls with ETag", "+ completions"]
    assert messages == {"idle": 0, **dict.fromkeys(sending, 8), "polls": 0, "polls with ETag": 0}
    assert {name for phase in phases for name in phase.used} == {"API", "broker"}


def test_polls_send_the_etag_of_the_last_answer(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "broker") as broker, emulator_host(broker.host_port):
        api = ApiProcess(tmp_path / "api", emulator=broker.host_port)
        try:
            with api.database() as database:
                request_id = put(database, at=datetime.now(UTC))
                with Polls(api.url, CLIENT, [request_id], every=0.01, conditional=True) as polls:
                    eventually(lambda: polls.statuses[304] >= 2)
                    assert polls.statuses[200] == 1
                    report(database, progress(request_id=request_id))
                    eventually(lambda: polls.statuses[200] == 2)
                with Polls(api.url, CLIENT, [request_id], every=0.01, conditional=False) as plain:
                    eventually(lambda: plain.statuses[200] >= 2)
                assert set(plain.statuses) == {200}
        finally:
            api.close()
