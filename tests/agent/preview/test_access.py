"""Who sees what: tokens, ids, and files that are exchanged under their names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from bench.confinement import INSIDE, INSIDE_LOOK, OUTSIDE, Exchange, Swap, record
from bench.measure.preview_race import ROUTES as ROUTES_SEEN
from bench.measure.preview_race import outcome, race
from clipping.contract.preview_keys import PreviewKeys
from tests.agent.preview.conftest import Viewer
from tests.support.media import Recording, make

OTHER = PreviewKeys("the-secret-of-another-cluster-0123")
ROUTES = ("", "/keyframes", "/window.mp4", "/strip.jpg", "/strip.vtt", "/peaks", "/still.jpg")

REFUSED: dict[str, tuple[Callable[[Viewer], str], str]] = {
    "expired": (lambda viewer: viewer.token(seconds=-1), "TOKEN_EXPIRED"),
    "other key": (lambda viewer: viewer.token(keys=OTHER), "UNAUTHORIZED"),
    "tampered": (lambda viewer: "A" + viewer.token()[1:], "UNAUTHORIZED"),
    "payload of another": (
        lambda viewer: viewer.token(Path("/etc")).partition(".")[0] + "." + viewer.token().partition(".")[2],
        "UNAUTHORIZED",
    ),
    "an id": (lambda viewer: viewer.id_of("night.mp4"), "UNAUTHORIZED"),
    "none": (lambda viewer: " ", "UNAUTHORIZED"),
    "not ascii": (lambda viewer: "t\u00f6ken", "UNAUTHORIZED"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_tokens_that_are_refused(viewer: Viewer, why: str) -> None:
    made, code = REFUSED[why]
    token = made(viewer)
    paths = ["recordings", f"recordings/{viewer.id_of('night.mp4')}/window.mp4", "recordings/none"]
    for path in paths:
        answer = viewer.get(path, token=token.encode("utf-8").decode("latin-1"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code), answer.text
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("path", "without", "with_token"),
    [
        ("/health", 200, 200),
        ("/console/", 200, 200),
        ("/console/app.js", 200, 200),
        ("/preview/v1/recordings", 401, 200),
        ("/preview/v1/plan", 401, 415),
        ("/preview/v1/recordings/x", 401, 404),
        ("/preview/v1/recordings/x/window.mp4", 401, 404),
    ],
)
def test_the_doors_of_the_port(viewer: Viewer, path: str, without: int, with_token: int) -> None:
    """The table in docs/reference/access.md; whatever `Host` names, as after DNS rebinding."""
    method, given = "POST" if path.endswith("plan") else "GET", {"Host": "page.example"}
    for headers, expected in (
        (given, without),
        (given | {"Authorization": f"Bearer {viewer.token()}"}, with_token),
    ):
        answer = requests.request(method, f"{viewer.url}{path}", headers=headers, timeout=30)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (expected, False), answer.text


def test_a_token_of_another_root_sees_nothing(viewer: Viewer, tmp_path: Path) -> None:
    token = viewer.token(tmp_path)
    for route in ROUTES:
        answer = viewer.get(f"recordings/{viewer.id_of('night.mp4')}{route}", token=token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), route
    listed = viewer.get("recordings", token=token, root=str(viewer.agent.nas))
    assert listed.status_code == 404


@pytest.mark.parametrize(
    "made",
    [
        lambda viewer: "none",
        lambda viewer: "L2V0Yy9wYXNzd2Q",  # /etc/passwd, unsigned
        lambda viewer: OTHER.recording_id(str(viewer.agent.nas / "night.mp4")),
        lambda viewer: viewer.keys.recording_id("/etc/passwd"),
        lambda viewer: viewer.keys.recording_id(str(viewer.agent.nas / ".." / "secret")),
        lambda viewer: viewer.keys.recording_id(str(viewer.agent.nas / "2026")),
        lambda viewer: viewer.keys.recording_id("night.mp4"),
        lambda viewer: viewer.keys.recording_id(str(viewer.agent.nas / "none.mp4")),
        lambda viewer: viewer.token(),
    ],
)
def test_ids_that_name_nothing(viewer: Viewer, made: Callable[[Viewer], str]) -> None:
    for route in ("", "/window.mp4"):
        answer = viewer.get(f"recordings/{made(viewer)}{route}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), answer.text


def test_an_id_is_the_same_everywhere(viewer: Viewer) -> None:
    listed = viewer.get("recordings").json()["recordings"][0]
    again = PreviewKeys("a-secret-of-the-API-and-the-agents")
    assert again.recording_id(listed["path"]) == listed["id"]
    assert again.path_of(listed["id"]) == listed["path"]


def test_a_file_that_became_a_link_out_of_the_root(viewer: Viewer, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    shutil.copy(make(Recording(seconds=12)), outside)
    path = viewer.agent.nas / "exchanged.mp4"
    shutil.copy(outside, path)
    try:
        assert viewer.of("exchanged.mp4", "/still.jpg").status_code == 200
        path.unlink()
        path.symlink_to(outside)
        for route in ROUTES:
            answer = viewer.of("exchanged.mp4", route)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), route
        assert viewer.get("recordings", q="exchanged").json()["recordings"] == []
        path.unlink()
        path.symlink_to(viewer.agent.nas / "night.mp4")  # inside, as for cuts
        assert viewer.of("exchanged.mp4", "/still.jpg").status_code == 200
        (listed,) = viewer.get("recordings", q="exchanged").json()["recordings"]
        assert listed["id"] == viewer.id_of("exchanged.mp4")
    finally:
        path.unlink()


def test_no_preview_of_what_is_exchanged_with_a_link_to_the_outside(viewer: Viewer, tmp_path: Path) -> None:
    """A folder and a file, on all routes."""
    root = viewer.agent.nas / "race"
    root.mkdir()
    swap = Swap(root, tmp_path, pause=0.001)
    record(swap.folder / "night.mp4", INSIDE)
    record(tmp_path / "night.mp4", OUTSIDE)
    shutil.copy(swap.folder / "night.mp4", root / "file.mp4")
    (root / "link.mp4").symlink_to(tmp_path / "night.mp4")
    size = (root / "file.mp4").stat().st_size
    try:
        for name, exchange in (
            ("camera/night.mp4", swap),
            ("file.mp4", Exchange(root / "file.mp4", root / "link.mp4", pause=0.001)),
        ):
            with exchange:
                seen = race(
                    lambda route, query, at=name: viewer.of(f"race/{at}", route, **query),  # type: ignore[misc]
                    INSIDE_LOOK,
                    threads=2,
                    seconds=1.5,
                )
                for prefix in ("race", "race/camera"):
                    listed = viewer.get("recordings", prefix=prefix).json().get("recordings", [])
                    assert {each["size"] for each in listed} <= {size}
            assert exchange.swaps > 0
            outcomes = {outcome for _, outcome in seen}
            assert outcomes <= {"inside", "404 NOT_FOUND", "503 SOURCE_UNAVAILABLE", "503 OVERLOADED"}, name
            assert {route for route, outcome in seen if outcome == "inside"}, name
    finally:
        shutil.rmtree(root)


def test_the_race_would_notice_the_recording_outside(viewer: Viewer) -> None:
    record(viewer.agent.nas / "outside.mp4", OUTSIDE)
    try:
        for route, (query, _, _) in ROUTES_SEEN.items():
            assert outcome(route, viewer.of("outside.mp4", route, **query), INSIDE_LOOK) == "OUTSIDE", route
    finally:
        (viewer.agent.nas / "outside.mp4").unlink()
