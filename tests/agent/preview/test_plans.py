"""Plans of clips, on a running agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.agent.preview.conftest import Viewer


def ask(viewer: Viewer, *, token: str | None = None, **fields: Any) -> requests.Response:
    body = {"hand_id": "h", "nas_video_path": str(viewer.agent.nas / "night.mp4"), "start_seconds": 3.3}
    body |= {"end_seconds": 7.02, "mode": "smart"} | fields
    headers = {"Authorization": f"Bearer {token or viewer.token()}"}
    given = {name: value for name, value in body.items() if value is not None}
    return requests.post(f"{viewer.url}/preview/v1/plan", json=given, headers=headers, timeout=60)


def test_a_request_is_planned_once(viewer: Viewer) -> None:
    answer = ask(viewer)
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert (plan["in"], plan["out"], plan["mode"], plan["encoder"]) == (3.32, 7.04, "smart", "libx264")
    assert plan["frames"] == 93
    hits = viewer.cache_hits()
    assert ask(viewer, hand_id="another").json() == plan
    assert viewer.cache_hits() == hits + 1
    assert ask(viewer, mode="copy").json()["in"] == 2.0


def test_requests_that_can_not_be_planned(viewer: Viewer, tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], int, str, str | None]] = [
        ({"end_seconds": 1}, 400, "INVALID_REQUEST", "end_seconds"),
        ({"colour": "red"}, 400, "INVALID_REQUEST", "colour"),
        ({"end_seconds": 5000}, 400, "INVALID_REQUEST", "end_seconds"),
        ({"start_seconds": 50, "end_seconds": 55}, 422, "RANGE_BEYOND_END", None),
        ({"nas_video_path": str(viewer.agent.nas / "none.mp4")}, 422, "SOURCE_NOT_FOUND", None),
        ({"nas_video_path": str(viewer.agent.nas / "text.mp4")}, 422, "SOURCE_CORRUPT", None),
        ({"nas_video_path": "/etc/passwd"}, 422, "SOURCE_NOT_ALLOWED", None),
        ({"nas_video_path": str(viewer.agent.nas / "2026")}, 422, "SOURCE_NOT_ALLOWED", None),
        ({"token": viewer.token(tmp_path)}, 422, "SOURCE_NOT_ALLOWED", None),
        ({"token": viewer.token(seconds=-1)}, 401, "TOKEN_EXPIRED", None),
        ({"token": "none"}, 401, "UNAUTHORIZED", None),
        ({"nas_video_path": None, "source_uri": "gs://bucket/a.mp4"}, 422, "SOURCE_NOT_ALLOWED", None),
        ({"nas_video_path": None, "source_uri": "file:///etc/passwd"}, 422, "SOURCE_NOT_ALLOWED", None),
    ]
    for fields, status, code, field in cases:
        answer = ask(viewer, **fields)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error.get("field")) == (status, code, field), fields


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"hand_id": NaN}', b"\xff"])
def test_bodies_that_are_no_request(viewer: Viewer, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {viewer.token()}", "Content-Type": "application/json"}
    url = f"{viewer.url}/preview/v1/plan"
    answer = requests.post(url, data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST"), answer.text


def test_what_is_no_body_at_all(viewer: Viewer) -> None:
    headers = {"Authorization": f"Bearer {viewer.token()}"}
    url = f"{viewer.url}/preview/v1/plan"
    plain = requests.post(url, data="x", headers=headers | {"Content-Type": "text/plain"}, timeout=30)
    assert (plain.status_code, plain.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    large = requests.post(url, json={"hand_id": "x" * 2_000_000}, headers=headers, timeout=30)
    assert large.status_code == 413
    read = requests.get(url, headers=headers, timeout=30)
    assert (read.status_code, read.headers["Allow"]) == (405, "OPTIONS, POST")
