"""An agent with previews, and a client of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from clipping.contract.preview_keys import PreviewKeys
from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make

SECRET = "a-secret-of-the-API-and-the-agents"
ORIGIN = "http://console.example.com"
API_URL = "https://clips.example.com"
"""Where the agent's console finds the API."""


class Viewer:
    """Calls the previews of one agent, with a token for all of its roots."""

    def __init__(self, agent: AgentProcess) -> None:
        self.agent = agent
        self.keys = PreviewKeys(SECRET)
        self.url = agent.health_url.removesuffix("/health")

    def token(self, *roots: Path, seconds: int = 900, keys: PreviewKeys | None = None) -> str:
        allowed = [str(root) for root in roots] or ["/"]
        return (keys or self.keys).token("web", allowed, datetime.now(UTC), seconds=seconds)[0]

    def get(
        self, path: str, *, token: str | None = None, headers: dict[str, str] | None = None, **query: Any
    ) -> requests.Response:
        given = {"Authorization": f"Bearer {token or self.token()}"} | (headers or {})
        return requests.get(f"{self.url}/preview/v1/{path}", params=query, headers=given, timeout=60)

    def id_of(self, name: str) -> str:
        return self.keys.recording_id(str(self.agent.nas / name))

    def of(self, name: str, what: str = "", **query: Any) -> requests.Response:
        return self.get(f"recordings/{self.id_of(name)}{what}", **query)

    def cache_hits(self) -> int:
        """How many answers came from the disk, descriptions of recordings included."""
        metrics = requests.get(f"{self.url}/metrics", timeout=10).text
        found = re.search(r'^clipping_preview_cache_total\{result="hit"\} (\S+)', metrics, re.M)
        return int(float(found[1])) if found is not None else 0


@contextmanager
def viewing(folder: Path, *, slots: int = 2) -> Iterator[Viewer]:
    nas = folder / "nas"
    (nas / "2026").mkdir(parents=True)
    shutil.copy(make(Recording(seconds=12)), nas / "night.mp4")
    shutil.copy(make(Recording(seconds=12)), nas / "2026" / "table 7.mp4")
    (nas / "notes.txt").write_text("no recording")
    (nas / "text.mp4").write_text("no recording, whatever its name says")
    (folder / "secret").write_text(SECRET)
    with AgentProcess(
        folder,
        preview={"key": str(folder / "secret"), "slots": slots, "api_url": API_URL},
        api={"public_url": "http://127.0.0.1:9", "cors_origins": [ORIGIN]},
    ) as agent:
        yield Viewer(agent)


@pytest.fixture(scope="session")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    """One for all tests of a session: each removes what it adds to the folder."""
    with viewing(tmp_path_factory.mktemp("previews")) as made:
        yield made
