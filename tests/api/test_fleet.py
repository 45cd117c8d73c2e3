"""Two instances of four workers on one PostgreSQL: duplicate keys, and messages in any order and number."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from api.db.tables import Clip
from clipping.contract.messages import CompletionMessage, ProgressMessage
from tests.api.api_process import CLIENT, ApiProcess
from tests.api.conftest import MakeApi, migrated
from tests.api.crowd import Call, Crowd
from tests.api.gunicorn_process import GunicornProcess
from tests.api.histories import delivered, history
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually

REQUESTS, KEYS, CONFLICTS = 360, 250, 8
CALLERS = 40
SEED = 20261120
POOL = {"threads": 6, "database_pool": 8}
"""Eight workers of eight connections fit into the server's hundred."""


def calls(api: ApiProcess, chance: random.Random) -> list[Call]:
    """Every key once, any of them again, all mixed; and keys that are used for two different requests."""

    def call(number: int, *, end: int = 31) -> Call:
        path = f"{api.root}/table.mp4"
        body = {"hand_id": f"hand-{number}", "nas_video_path": path, "start_seconds": 1, "end_seconds": end}
        return Call(body, key=f"key-{number}")

    conflicts = [call(KEYS + n, end=end) for n in range(CONFLICTS) for end in (10, 20)]
    numbers = list(range(KEYS))
    numbers += [chance.randrange(KEYS) for _ in range(REQUESTS - KEYS - len(conflicts))]
    mixed = [call(number) for number in numbers] + conflicts
    chance.shuffle(mixed)
    return mixed


def publish(api: ApiProcess, messages: Sequence[CompletionMessage | ProgressMessage]) -> None:
    with ThreadPoolExecutor(8, thread_name_prefix="agent") as agents:
        for _ in agents.map(api.send, messages, timeout=250):
            pass


def listed(server: GunicornProcess) -> dict[str, dict[str, Any]]:
    """Everything, page by page."""
    found: dict[str, dict[str, Any]] = {}
    query = {"limit": "200"}
    while True:
        answer = server.session.get(f"{server.url}/v1/clips", params=query, timeout=30)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        for clip in body["clips"]:
            assert clip["request_id"] not in found
            found[clip["request_id"]] = clip
        if "next_cursor" not in body:
            return found
        query["cursor"] = body["next_cursor"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_request_ends_correctly_on_any_instance(
    make_api: MakeApi, postgres: PostgresServer, tmp_path: Path
) -> None:
    database = {"database_url": migrated(postgres.database())}
    api = make_api(api={**database, **POOL}, limits={"requests_per_minute": 0}, pubsub={"lease_seconds": 10})
    api.stop()  # it has laid out the folders and the topics; others serve
    chance = random.Random(SEED)
    with (
        GunicornProcess(api, tmp_path / "one", workers=4) as one,
        GunicornProcess(api, tmp_path / "two", workers=4) as two,
    ):
        began = time.monotonic()
        asked = calls(api, chance)
        crowd = Crowd([one.url, two.url], CLIENT, asked, CALLERS, SEED)
        crowd.start()
        crowd.join()
        took = time.monotonic() - began
        by_key: dict[str | None, set[str]] = {}
        for place, request_id in crowd.ids.items():
            by_key.setdefault(asked[place].key, set()).add(request_id)

        numbered = enumerate(sorted(each for ids in by_key.values() for each in ids))
        histories = {request_id: history(request_id, number) for number, request_id in numbered}
        messages = delivered(list(histories.values()), chance)
        publish(api, messages)

        def applied() -> bool:
            with api.database() as database, database.read() as session:
                rows = session.scalars(select(Clip))
                return all(
                    getattr(row, name) == value
                    for row in rows
                    for name, value in histories[row.request_id].shown.items()
                )

        assert eventually(applied, "all messages to be applied", within=250, every=1.0)
        applied_in = time.monotonic() - began - took
        time.sleep(2)  # for stragglers, that must change nothing
        found = listed(one)
        assert listed(two) == found

    wrong = {
        request_id: (story.name, found[request_id])
        for request_id, story in histories.items()
        if any(found[request_id].get(name) != value for name, value in story.shown.items())
    }
    statuses = Counter(clip["status"] for clip in found.values())
    print(
        f"\n{len(asked)} requests on two instances of four workers in {took:.1f} s, outcomes "
        f"{dict(crowd.outcomes)}: {len(found)} clips; {len(messages)} messages "
        f"({sum(len(each.messages) for each in histories.values())} different ones) in {applied_in:.1f} s: "
        f"{dict(statuses)}; wrong: {len(wrong)}"
    )
    assert wrong == {}
    assert crowd.outcomes == {202: KEYS + CONFLICTS, 200: REQUESTS - KEYS - 2 * CONFLICTS, 409: CONFLICTS}
    assert len(found) == KEYS + CONFLICTS
    assert {len(ids) for ids in by_key.values()} == {1}
    assert api.counts()["parked_messages"] == 0
    assert "Traceback" not in one.log.read_text() + two.log.read_text()
