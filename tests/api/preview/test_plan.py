"""`POST /v1/clip/plan` without an agent: what the service refuses by itself, and that it stores nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedded.layout import free_port
from tests.api.owned import service


def body(folder: Path, **over: Any) -> dict[str, Any]:
    return {"hand_id": "h", "nas_video_path": f"{folder}/a.mp4", "start_seconds": 1, "end_seconds": 2} | over


def test_previews_that_are_disabled(tmp_path: Path) -> None:
    with service(tmp_path, {}) as at:
        answer = at.call("ada", "POST", "/v1/clip/plan", json=body(tmp_path))
        error = answer.get_json()["error"]
        assert (answer.status_code, error["code"]) == (503, "PREVIEW_UNAVAILABLE")
        assert "set preview.key" in error["message"]


@pytest.mark.parametrize(
    ("reached", "why"), [(False, "list it in preview.agents"), (True, "can't be reached")]
)
def test_no_agent_to_ask(tmp_path: Path, reached: bool, why: str) -> None:
    (tmp_path / "key").write_text("a-secret-of-the-API-and-the-agents")
    agents = {"nas-1": f"http://127.0.0.1:{free_port()}"} if reached else {}
    over = {"preview": {"key": str(tmp_path / "key"), "agents": agents}}
    with service(tmp_path, {}, over=over) as at:
        answer = at.call("ada", "POST", "/v1/clip/plan", json=body(tmp_path))
        error = answer.get_json()["error"]
        assert (answer.status_code, error["code"]) == (503, "PREVIEW_UNAVAILABLE")
        assert why in error["message"]
        refused = at.call("ada", "POST", "/v1/clip/plan", json=body(tmp_path, end_seconds=1))
        assert (refused.status_code, refused.get_json()["error"]["field"]) == (400, "end_seconds")
        assert at.call("ada", "GET", "/v1/clips").get_json()["clips"] == []
