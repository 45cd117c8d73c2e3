"""A caller's own credentials stop working while the service runs: its clips wait, those of others don't."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.api.api_process import key
from tests.support.media import Recording, make
from tests.support.seaweed import Seaweed
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]
CALLERS = ("ada", "bob", "eve")


class Callers:
    """The API, as callers use it."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack, self.url = stack, stack.where["api_url"]

    def call(self, owner: str, method: str, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer key-{owner}"}
        answer = requests.request(method, self.url + path, headers=headers, json=body or None, timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, owner: str, **fields: Any) -> str:
        body = {"hand_id": "h", "start_seconds": 1, "end_seconds": 3, **fields}
        if "source_uri" not in body:
            body["nas_video_path"] = str(self.stack.nas_root / "night.mp4")
        return str(self.call(owner, "POST", "/v1/clip/request", **body)["request_id"])

    def status(self, owner: str, request_id: str) -> dict[str, Any]:
        return self.call(owner, "GET", f"/v1/clip/{request_id}/status")

    def completed(self, owner: str, request_id: str, within: float = 60) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            status = self.status(owner, request_id)
            assert status["status"] != "failed", status
            return status if status["status"] == "completed" else None

        return eventually(done, f"the clip of {owner}", within=within, logs=self.stack.logs)


def test_credentials_that_stop_working_delay_their_caller_alone(seaweed: Seaweed, tmp_path: Path) -> None:
    seaweed.empty(seaweed.customers())
    nas = tmp_path / "nas"
    nas.mkdir()
    (nas / "night.mp4").write_bytes(make(Recording(seconds=60)).read_bytes())
    keys = {name: tmp_path / f"{name}.key" for name in ("ada", "bob")}
    for name, path in keys.items():
        path.write_text(seaweed.key_of(name))
    stack = RunningStack(
        tmp_path / "data",
        nas,
        storage={
            "backend": "s3",
            "bucket": seaweed.customers(),
            "endpoint": seaweed.url,
            "credentials": str(seaweed.credentials),
            "path": None,
        },
        owners={
            **{name: {"prefix": f"{name}/", "credentials": str(path)} for name, path in keys.items()},
            "dan": {
                "prefix": "dan/",
                "credentials": str(tmp_path / "missing"),
            },  # keeps nothing from starting
        },
        api={"keys": [key(name, "client", f"key-{name}") for name in CALLERS]},
        agent={"slots": {"interactive": 2, "batch": 1}},
    )
    with stack:
        callers = Callers(stack)
        roots = {"ada": "ada/", "bob": "bob/", "eve": ""}
        for owner in CALLERS:
            done = callers.completed(owner, callers.ask(owner))
            assert done["output_uri"].startswith(f"s3://{seaweed.customers()}/{roots[owner]}clips/h/")
            link = requests.get(done["download_url"], timeout=30)
            assert len(link.content) == done["file_size_bytes"]
            if owner == "ada":  # a clip of a clip, by its own URI
                again = callers.ask(owner, source_uri=done["output_uri"], end_seconds=2)
                callers.completed(owner, again)
        keys["bob"].write_text(seaweed.key_of("ada"))
        waiting = [callers.ask("bob") for _ in range(3)]
        eventually(lambda: "last_error" in callers.status("bob", waiting[0]), logs=stack.logs)
        begun = time.monotonic()
        others = [(owner, callers.ask(owner)) for owner in ("ada", "eve") for _ in range(2)]
        for owner, request_id in others:
            callers.completed(owner, request_id)
        assert time.monotonic() - begun < 30
        assert {callers.status("bob", each)["status"] for each in waiting} <= {"queued", "processing"}
        keys["bob"].write_text(seaweed.key_of("bob"))
        for request_id in waiting:
            callers.completed("bob", request_id, within=90)
