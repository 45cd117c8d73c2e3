"""kill -9 at any moment: what was accepted is completed, and nothing is made twice."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from sqlalchemy import select

from api.db.tables import Clip
from tests.api.api_process import CLIENT, ApiProcess
from tests.api.conftest import MakeApi, migrated
from tests.api.crowd import Call, Crowd
from tests.api.workers import Workers
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

REQUESTS = 250
CALLERS = 50
KILLS = 3
SEED = 20261120


def calls(api: ApiProcess) -> list[Call]:
    """Every second one has a key, and is sent again when no answer comes."""
    body = {"nas_video_path": f"{api.root}/table.mp4", "start_seconds": 1, "end_seconds": 31}
    modes = ("copy", "encode")
    return [
        Call({**body, "hand_id": f"hand-{n}", "mode": modes[n % 3 == 0]}, key=f"key-{n}" if n % 2 else None)
        for n in range(REQUESTS)
    ]


def rows(api: ApiProcess) -> dict[str, tuple[str, str]]:
    """Each request's hand and status."""
    with api.database() as database, database.read() as session:
        found = session.execute(select(Clip.request_id, Clip.hand_id, Clip.status))
        return {request_id: (hand_id, status) for request_id, hand_id, status in found}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_accepted_requests_survive_kill_9(
    make_api: MakeApi, request: pytest.FixtureRequest, kind: str
) -> None:
    over: dict[str, Any] = {"limits": {"requests_per_minute": 0}, "pubsub": {"lease_seconds": 10}}
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        over["api"] = {"database_url": migrated(server.database())}
    api = make_api(**over)
    chance = random.Random(SEED)
    crowd = Crowd([api.url], CLIENT, calls(api), CALLERS, SEED)
    with Workers(api, slots=8) as workers:
        began = time.monotonic()
        crowd.start()
        for kill in range(KILLS):
            # By the number of answers, so that each kill meets requests under way on any machine.
            answered = REQUESTS * (kill + 1) // (KILLS + 2)
            eventually(lambda least=answered: len(crowd.ids) >= least, every=0.002)
            time.sleep(chance.uniform(0, 0.05))
            assert crowd.busy
            api.kill()
            api.start()
        crowd.join()
        accepted = set(crowd.ids.values())
        took = time.monotonic() - began

        def completed() -> bool:
            return {status for _, status in rows(api).values()} == {"completed"}

        assert eventually(completed, "every clip to be completed", within=100, every=0.5)
        assert eventually(lambda: api.counts()["outbox"] == 0)
        delivered, cut = sum(workers.seen.values()), len(workers.seen)

    found = rows(api)
    with_key = [place for place in range(REQUESTS) if place % 2]
    print(
        f"\n{kind}: {KILLS} kills in {took:.0f} s; outcomes {dict(crowd.outcomes)}; "
        f"accepted {len(accepted)}, rows {len(found)}, completed {len(found)}; "
        f"deliveries {delivered}, clips cut {cut}, adopted {delivered - cut}"
    )
    assert accepted <= set(found)
    assert set(workers.seen) == set(found)
    # Each call with a key was answered in the end, and has one clip, however often it was sent.
    assert all(place in crowd.ids for place in with_key)
    assert len({hand_id for hand_id, _ in found.values()}) == len(found)
    assert api.counts()["parked_messages"] == 0


@pytest.mark.slow
def test_a_database_that_dies_costs_time_and_nothing_else(
    make_api: MakeApi, postgres: PostgresServer
) -> None:
    api = make_api(
        api={"database_url": migrated(postgres.database())},
        limits={"requests_per_minute": 0},
        pubsub={"lease_seconds": 10},
    )
    crowd = Crowd(
        [api.url], CLIENT, [Call(each.body, f"key-{n}") for n, each in enumerate(calls(api)[:150])], 20, SEED
    )
    pid = api.pid
    with Workers(api) as workers:
        crowd.start()
        for accepted in (30, 80):
            eventually(lambda least=accepted: len(crowd.ids) >= least)
            postgres.kill()
            time.sleep(1)
            postgres.start()
        crowd.join()

        def completed() -> bool:
            return {status for _, status in rows(api).values()} == {"completed"}

        assert eventually(completed, "every clip to be completed", within=100, every=0.5)
        assert eventually(lambda: api.counts()["outbox"] == 0)
    print(f"\ndatabase killed twice: outcomes {dict(crowd.outcomes)}, {len(rows(api))} clips")
    assert crowd.outcomes[503] > 0
    assert set(crowd.ids.values()) == set(rows(api)) == set(workers.seen)
    assert len(crowd.ids) == len(rows(api)) == 150
    assert api.pid == pid
