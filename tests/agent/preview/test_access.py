"""Who sees what: tokens, ids, and files that are exchanged under their names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from bench.confinement import INSIDE, OUTSIDE, Swap, record
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


def test_no_preview_of_a_folder_exchanged_with_a_link_to_the_outside(viewer: Viewer, tmp_path: Path) -> None:
    swap = Swap(viewer.agent.nas, tmp_path, pause=0.001)
    record(swap.folder / "night.mp4", INSIDE)
    record(tmp_path / "night.mp4", OUTSIDE)
    statuses: dict[int, int] = {}
    sizes = {path.stat().st_size for path in (swap.folder / "night.mp4",)}
    try:
        with swap:
            for _ in range(25):
                for route in ("", "/window.mp4"):
                    answer = viewer.of("camera/night.mp4", route, **({"t": "1", "d": "1"} if route else {}))
                    statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
                    if answer.status_code != 200:
                        continue
                    if route:
                        assert width_of(answer.content, tmp_path) == INSIDE
                    else:
                        assert answer.json()["width"] == INSIDE
                listed = viewer.get("recordings", prefix="camera")
                assert {each["size"] for each in listed.json().get("recordings", [])} <= sizes
    finally:
        shutil.rmtree(viewer.agent.nas / "camera", ignore_errors=True)
        for name in ("camera", "other"):
            link = viewer.agent.nas / name
            if link.is_symlink():
                link.unlink()
        shutil.rmtree(viewer.agent.nas / "other", ignore_errors=True)
    assert swap.swaps > 0
    assert statuses.get(200, 0) > 0
    assert set(statuses) <= {200, 404, 503}


def width_of(window: bytes, folder: Path) -> int:
    file = folder / "window.mp4"
    file.write_bytes(window)
    with av.open(str(file)) as container:
        return container.streams.video[0].width
