"""The documentation page: what it sends works on this installation, also the second time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from api.docs.contract import shown
from api.docs.recordings import Recordings
from clipping.contract.reel import parse_reel_request
from tests.api.api_process import CLIENT, ApiProcess
from tests.api.conftest import MakeApi
from tests.support import browser as browsers
from tests.support.browser import Browser
from tests.support.waiting import eventually

CONTRACT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "openapi.yaml").read_bytes())


def contract_of(api: ApiProcess) -> dict[str, Any]:
    answer = requests.get(f"{api.url}/docs/assets/openapi.json", timeout=30)
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def first_body(contract: dict[str, Any], path: str) -> Any:
    media = contract["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return media["example"] if "example" in media else next(iter(media["examples"].values()))["value"]


def test_no_parameter_is_filled_in() -> None:
    page = shown(CONTRACT, None)
    for name, parameter in page["components"]["parameters"].items():
        assert "example" not in parameter, name
    for path, item in page["paths"].items():
        for owner in (item, *(each for each in item.values() if isinstance(each, dict))):
            for parameter in owner.get("parameters", []):
                assert "example" not in parameter, (path, parameter["name"])


def test_only_the_users_key_is_asked_for() -> None:
    page = shown(CONTRACT, None)
    assert list(page["components"]["securitySchemes"]) == ["key"]
    assert "/v1/internal/pubsub" not in page["paths"]
    assert set(page["paths"]) == set(CONTRACT["paths"]) - {"/v1/internal/pubsub"}


def test_nothing_is_made_up_from_patterns() -> None:
    # Where an example is missing, the page generates one: `clip-24186780-1hpa78j0`, `Z`, `string`.
    page = shown(CONTRACT, None)
    responses = dict(page["components"]["responses"])
    bodies = {}
    for path, item in page["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            bodies[f"{method} {path}"] = operation.get("requestBody", {})
            responses |= {f"{method} {path} {code}": each for code, each in operation["responses"].items()}
    without = [
        name
        for name, owner in (bodies | responses).items()
        for media in owner.get("content", {}).values()
        if "schema" in media and not {"example", "examples"} & set(media)
    ]
    assert without == []


def test_the_first_examples_are_accepted(api: ApiProcess) -> None:
    (api.root / "2026").mkdir()
    (api.root / "2026" / "table.mkv").touch()
    page = contract_of(api)
    body = first_body(page, "/v1/clip/request")
    assert body["nas_video_path"] == f"{api.root}/2026/table.mkv"
    assert api.post("/v1/clip/request", json=body).status_code == 202
    batch = api.post("/v1/clip/batch", json=first_body(page, "/v1/clip/batch"))
    assert batch.status_code == 202
    assert all("request_id" in item for item in batch.json()["items"])
    assert first_body(page, "/v1/admin/agents/{agent_id}/failover") == {}


def test_the_parts_of_the_first_reel_do_not_overlap() -> None:
    body = shown(CONTRACT, "/nas/a.mp4")["paths"]["/v1/reel/request"]["post"]["requestBody"]
    for example in body["content"]["application/json"]["examples"].values():
        reel = {**example["value"], "allow_overlaps": False}
        parse_reel_request(reel, max_reel_seconds=60, max_clip_seconds=60)


def test_names_of_recordings_are_not_for_everyone(make_api: MakeApi) -> None:
    for over in ({"public_url": "https://clips.example.com"}, {"host": "0.0.0.0"}):
        api = make_api(api=over)
        (api.root / "secret.mp4").touch()
        url = f"http://127.0.0.1:{api.url.rpartition(':')[2]}/docs/assets/openapi.json"
        assert "secret" not in requests.get(url, timeout=30).text


def test_a_recording_is_found_near_the_root(tmp_path: Path) -> None:
    root = tmp_path / "nas"
    (root / "b").mkdir(parents=True)
    (root / ".hidden.mp4").touch()
    (root / "notes.txt").touch()
    os.symlink("/etc/passwd", root / "a.mp4")
    recordings = Recordings([str(tmp_path / "missing"), str(root)])
    assert recordings.example() == f"{tmp_path}/missing/recording.mp4"
    (root / "b" / "z.MP4").touch()
    assert recordings.example() == f"{root}/b/z.MP4"
    (root / "y.ts").touch()
    assert recordings.example() == f"{root}/y.ts"
    assert Recordings([]).example() is None


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if (what := browsers.missing()) is not None:
        pytest.skip(what)
    with Browser(tmp_path / "profile") as running:
        yield running


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_second_clip_can_be_requested_from_the_page(api: ApiProcess, browser: Browser) -> None:
    (api.root / "table.mp4").touch()
    browser.open(f"{api.url}/docs")
    request_twice(browser, CLIENT, path=f"{api.root}/table.mp4")


def request_twice(browser: Browser, key: str, *, path: str) -> None:
    browser.click(".btn.authorize")
    eventually(lambda: browser.count(".auth-container") == 1, "one kind of key, and no other")
    browser.type(".auth-container input", key)
    browser.click(".auth-container .btn.authorize")
    browser.click(".auth-container .btn-done")
    block = "#operations-clips-requestClip"
    browser.click(f"{block} .opblock-summary-control")
    prefilled = json.loads(
        eventually(lambda: browser.script("return document.querySelector('textarea')?.value"), "the body")
    )
    assert prefilled["nas_video_path"] == path
    for hand_id in ("first", "second"):
        browser.type(f"{block} textarea", json.dumps({**prefilled, "hand_id": hand_id}))
        browser.click(f"{block} .btn.execute")
        answered = f"{block} .live-responses-table .response-col_description .microlight"
        shows = eventually(
            lambda answered=answered, hand_id=hand_id: (  # type: ignore[misc]
                browser.count(answered) and hand_id in (text := browser.text(answered)) and text
            ),
            f"the answer to {hand_id}",
        )
        assert json.loads(shows)["status"] == "queued"
        status = browser.text(f"{block} .live-responses-table tr.response .response-col_status")
        assert status.split()[0] == "202"
