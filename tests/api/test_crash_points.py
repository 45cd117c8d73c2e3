"""kill -9 at each point of accepting requests: what was answered with 202 is not lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from api.db.tables import Clip
from tests.api import dying
from tests.api.api_process import CLIENT, ApiProcess
from tests.api.conftest import migrated
from tests.api.crowd import Call, Crowd
from tests.api.workers import Workers
from tests.support.broker import BrokerProcess
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

CALLERS = 12
UNANSWERED = (dying.BEFORE_COMMIT, dying.BEFORE_FLUSH, dying.BEFORE_ANSWER)
PUBLISHED = (dying.BEFORE_REMOVAL, dying.BEFORE_REMOVAL_IS_COMMITTED)


@pytest.fixture(params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, broker: BrokerProcess, tmp_path: Path) -> Iterator[ApiProcess]:
    over: dict[str, Any] = {"pubsub": {"lease_seconds": 10}}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        over["api"] = {"database_url": migrated(server.database())}
    made = ApiProcess(tmp_path / "api", emulator=broker.host_port, over=over)
    made.stop()
    yield made
    made.close()


def calls(api: ApiProcess) -> list[Call]:
    """Every second one has a key, and is sent again when no answer comes."""
    body = {"nas_video_path": f"{api.root}/a.mp4", "start_seconds": 1, "end_seconds": 31}
    return [Call({**body, "hand_id": f"hand-{n}"}, f"key-{n}" if n % 2 else None) for n in range(CALLERS)]


def rows(api: ApiProcess) -> dict[str, str]:
    """The request id by hand."""
    with api.database() as database, database.read() as session:
        rows = session.execute(select(Clip.hand_id, Clip.request_id))
        found = [(row.hand_id, row.request_id) for row in rows]
    assert len({hand for hand, _ in found}) == len(found), "stored twice"
    return dict(found)


@pytest.mark.sampled(slow=3)
@pytest.mark.parametrize("point", [*UNANSWERED, dying.BEFORE_PUBLISH, *PUBLISHED])
def test_a_kill_loses_nothing_that_was_answered(api: ApiProcess, tmp_path: Path, point: str) -> None:
    if point == dying.BEFORE_FLUSH and not api.config.api.database_url.startswith("sqlite:"):
        pytest.skip("PostgreSQL flushes in its commit")
    file = tmp_path / "die"
    api.program = ["-m", "tests.api.dying", point, str(file)]
    api.start()
    crowd = Crowd([api.url], CLIENT, calls(api), CALLERS, seed=1)
    with Workers(api) as workers:
        crowd.start()
        if point not in UNANSWERED:
            crowd.join()
            assert len(crowd.ids) == CALLERS, crowd.outcomes
        eventually(dying.reached(file).exists, point)
        file.touch()
        assert api.wait() == -signal.SIGKILL
        before = rows(api)
        assert {*crowd.ids.values()} <= {*before.values()}
        if point == dying.BEFORE_COMMIT:
            assert before == {}
        else:
            assert before
        api.program = ["-m", "api.cli"]
        api.start()
        crowd.join()
        stored = rows(api)
        assert {*crowd.ids.values()} | {*before.values()} == {*stored.values()}
        assert all(place in crowd.ids for place in range(1, CALLERS, 2)), "each call with a key was answered"
        for request_id in stored.values():
            api.wait_for_status(request_id, "completed")
        assert eventually(lambda: api.counts()["outbox"] == 0)
    assert {*workers.seen} == {*stored.values()}
    if point in PUBLISHED:
        # They are sent again, and agents adopt the clips that exist.
        assert any(len(messages) > 1 for messages in workers.messages.values())
