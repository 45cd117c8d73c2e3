"""A service at work: an API, agents that answer every request, and a pair of them to be led."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from clipping.errors import ObjectExists
from clipping.store.layout import output_key
from tests.api.api_process import ADMIN, ApiProcess
from tests.api.cluster.documents import Agents
from tests.api.cluster.test_admin_routes import agents_of
from tests.api.messages import completed

UNLIMITED: dict[str, Any] = {
    "agent": {"nas_roots": []},
    "limits": {"requests_per_minute": 0, "shorts_per_day": 0},
}
"""Limits would answer most of many thousand calls, and are tested elsewhere."""


@contextmanager
def at_work(api: ApiProcess) -> Iterator[None]:
    """Every clip is cut at once, and every failover done."""
    over = threading.Event()
    threads = [
        threading.Thread(target=work, args=(api, over), name=work.__name__, daemon=True)
        for work in (_cut, _lead)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def _cut(api: ApiProcess, over: threading.Event) -> None:
    store = agents_of(api).store
    with requests.Session() as session, tempfile.TemporaryDirectory() as folder:
        session.headers["Authorization"] = f"Bearer {ADMIN}"
        while not over.wait(0.2):
            answer = session.get(f"{api.url}/v1/clips?status=queued&limit=200", timeout=60)
            for clip in answer.json()["clips"]:
                file = Path(folder) / clip["request_id"]
                file.write_bytes(b"a clip")
                # Also where earlier versions put vertical clips.
                key = output_key(clip["request_id"], clip["hand_id"], "mp4", short=False)
                with suppress(ObjectExists):  # it was published already, and not received yet
                    store.create(key, file, content_type="video/mp4", metadata={})
                ids = {"request_id": clip["request_id"], "hand_id": clip["hand_id"]}
                api.send(completed(**ids, output_uri=store.uri(key)))


def _lead(api: ApiProcess, over: threading.Event) -> None:
    agents: Agents = agents_of(api)
    leader, epoch = "nas-1", 1
    while not over.wait(0.1):
        asked = agents.requested()
        if asked and asked.target and asked.epoch == epoch:
            leader, epoch = asked.target, epoch + 1
        agents.lead(holder=leader, epoch=epoch)
        for name in ("nas-1", "nas-2"):
            agents.report(name, state="active" if name == leader else "standby", epoch=epoch)
