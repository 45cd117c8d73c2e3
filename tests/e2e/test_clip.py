"""End to end: from the request to the downloaded file, with real processes."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import av
import pytest
import requests
from PIL import Image

from clipping.client import Client
from tests.support.media import numbers
from tests.support.stack import RunningStack
from tests.support.waiting import eventually


def download(stack: RunningStack, request_id: str) -> requests.Response:
    url = f"{stack.where['api_url']}/v1/clip/{request_id}/download"
    link = stack.session.get(url, timeout=10).json()["download_url"]
    return requests.get(link, timeout=30)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["mp4", "mkv", "ts"])
def test_a_clip_matches_its_status(stack: RunningStack, nas: Path, tmp_path: Path, name: str) -> None:
    path = str(nas / f"night.{name}")
    request_id = stack.ask(
        hand_id=f"hand-{name}",
        nas_video_path=path,
        start_seconds=5.3,
        end_seconds="0:12.3",
        metadata={"table": "7"},
    )
    status = stack.wait(request_id)
    assert status["status"] == "completed", status
    assert status["metadata"] == {"table": "7"}
    assert status["progress_percent"] == 100
    report = status["report"]
    assert report["requested"] == {"start": 5.3, "end": 12.3}
    assert report["actual"]["start"] <= 5.3
    assert report["keyframe_lead_seconds"] == pytest.approx(5.3 - report["actual"]["start"], abs=0.001)

    answer = download(stack, request_id)
    clip = tmp_path / "clip"
    clip.write_bytes(answer.content)
    assert len(answer.content) == status["file_size_bytes"]
    assert hashlib.sha256(answer.content).hexdigest() == status["sha256"]
    assert f'filename="hand-{name}.' in answer.headers["Content-Disposition"] or (
        f"filename=hand-{name}." in answer.headers["Content-Disposition"]
    )
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        times = [frame.time for frame in container.decode(video)]
        assert len(container.streams.audio) == len(report["audio"]) == 1
    assert len(times) == report["frames"]
    assert times[0] == 0
    length = report["actual"]["end"] - report["actual"]["start"]
    assert status["duration_seconds"] == pytest.approx(length, abs=0.1)
    assert times[-1] == pytest.approx(length, abs=0.15)


def test_a_clip_of_an_upload(stack: RunningStack, nas: Path) -> None:
    with Client(stack.where["api_url"], key=stack.where["api_key"]) as client:
        uploaded = client.upload(nas / "night.mp4")
    wanted = {"start_seconds": 5.3, "end_seconds": 12.3}
    of_upload = stack.wait(stack.ask(nas_video_path=None, source_uri=uploaded.source_uri, **wanted))
    assert of_upload["status"] == "completed", of_upload
    of_path = stack.wait(stack.ask(nas_video_path=str(nas / "night.mp4"), **wanted))
    assert of_upload["sha256"] == of_path["sha256"]


def test_a_download_link_supports_ranges_and_head_requests(stack: RunningStack, nas: Path) -> None:
    request_id = stack.ask(nas_video_path=str(nas / "night.mp4"), start_seconds=1, end_seconds=3)
    status = stack.wait(request_id)
    whole = requests.get(status["download_url"], timeout=10).content
    head = requests.head(status["download_url"], timeout=10)
    assert (head.status_code, int(head.headers["Content-Length"])) == (200, len(whole))
    part = requests.get(status["download_url"], headers={"Range": "bytes=100-199"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole[100:200])
    spoiled = status["download_url"].replace(request_id, request_id[:-1] + "0")
    if spoiled != status["download_url"]:
        assert requests.get(spoiled, timeout=10).status_code == 403


def test_the_spool_is_empty_after_a_clip(stack: RunningStack, nas: Path) -> None:
    request_id = stack.ask(nas_video_path=str(nas / "night.mp4"), start_seconds=1, end_seconds=2)
    stack.wait(request_id)
    eventually(lambda: not stack.spool(), "an empty spool")


def test_a_smart_cut_shows_the_requested_frames(stack: RunningStack, nas: Path, tmp_path: Path) -> None:
    path = str(nas / "night.mp4")
    request_id = stack.ask(nas_video_path=path, start_seconds=5.3, end_seconds=9.1, mode="smart")
    status = stack.wait(request_id)
    assert status["status"] == "completed", status
    assert status["report"]["mode"] == "smart"
    assert status["report"]["keyframe_lead_seconds"] == 0
    assert 0 < status["report"]["reencoded_seconds"] < 3.8
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(download(stack, request_id).content)
    # 25 frames per second: the first at or after 5.3 s is number 133, the last before 9.1 s is number 227.
    assert numbers(clip) == list(range(133, 228))


def test_a_short_has_portrait_orientation(stack: RunningStack, nas: Path, tmp_path: Path) -> None:
    request_id = stack.ask(
        nas_video_path=str(nas / "night.mkv"),
        start_seconds=5.3,
        end_seconds=6.3,
        output={"aspect": "9:16", "quality": "medium"},
    )
    status = stack.wait(request_id)
    assert status["status"] == "completed", status
    assert (status["report"]["video"]["width"], status["report"]["video"]["height"]) == (1080, 1920)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(download(stack, request_id).content)
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.pix_fmt) == (1080, 1920, "yuv420p")


def test_effects_are_in_the_clip(stack: RunningStack, nas: Path, tmp_path: Path) -> None:
    framing = {
        "keyframes": [
            {"time": at, "x": x, "y": 0, "width": 112.5, "height": 200} for at, x in ((0, 0), (1, 100))
        ],
        "target_width": 360,
        "target_height": 640,
    }
    request_id = stack.ask(
        nas_video_path=str(nas / "night.ts"),
        start_seconds=5.3,
        end_seconds=6.5,
        effects={"framing": framing, "title": {"name": "100% 'all in'", "rating": 3}},
    )
    status = stack.wait(request_id)
    assert status["status"] == "completed", status
    assert (status["report"]["mode"], status["report"]["warnings"]) == ("encode", [])
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(download(stack, request_id).content)
    with av.open(str(clip)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert (len(frames), frames[0].shape) == (30, (640, 360, 3))
    # The upper edge of the title's box, in the colour of its rating: #1565C0.
    top = round(10 * 640 / 1080)
    assert frames[-1][top + 1, 100:260].mean(axis=0) == pytest.approx((0x15, 0x65, 0xC0), abs=12)
    eventually(lambda: not stack.spool(), "an empty spool")


def test_an_encode_is_exact(stack: RunningStack, nas: Path) -> None:
    request_id = stack.ask(
        nas_video_path=str(nas / "night.mp4"), start_seconds=5.3, end_seconds=6.3, output_quality="medium"
    )
    status = stack.wait(request_id)
    assert status["status"] == "completed", status
    assert status["report"]["mode"] == "encode"
    assert status["report"]["keyframe_lead_seconds"] == 0
    assert status["report"]["reencoded_seconds"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("path", "end", "code", "words"),
    [
        ("none.mp4", 2, "SOURCE_NOT_FOUND", "there is no file"),
        ("notes.mp4", 2, "SOURCE_CORRUPT", ""),
        ("empty.mp4", 2, "SOURCE_CORRUPT", ""),
        ("night.mp4", 500, "RANGE_BEYOND_END", ""),
    ],
)
def test_a_source_that_can_not_be_cut_fails_with_a_reason(
    stack: RunningStack, nas: Path, path: str, end: float, code: str, words: str
) -> None:
    request_id = stack.ask(nas_video_path=str(nas / path), start_seconds=1, end_seconds=end)
    status = stack.wait(request_id)
    assert (status["status"], status["error"]["code"]) == ("failed", code)
    assert words in status["error_message"]
    assert status["error_message"] == status["error"]["message"]
    assert len(status["error_message"]) > 20
    assert stack.objects(request_id) == []
    url = f"{stack.where['api_url']}/v1/clip/{request_id}/download"
    assert stack.session.get(url, timeout=10).status_code == 409


def test_a_symlink_out_of_the_roots_is_not_followed(stack: RunningStack, nas: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.mp4").hardlink_to(nas / "night.mp4")
    (nas / "trap.mp4").symlink_to(tmp_path / "outside.mp4")
    request_id = stack.ask(nas_video_path=str(nas / "trap.mp4"), start_seconds=1, end_seconds=2)
    assert stack.wait(request_id)["error"]["code"] == "SOURCE_NOT_ALLOWED"


def test_a_path_outside_the_roots_is_rejected_immediately(stack: RunningStack) -> None:
    answer = stack.post(nas_video_path="/etc/passwd", start_seconds=1, end_seconds=2)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "nas_video_path"


def test_the_pages_for_browsers(stack: RunningStack) -> None:
    health = requests.get(f"{stack.where['api_url']}/health", timeout=10).json()
    assert health["status"] == "healthy"
    assert "/v1/clip/request" in requests.get(f"{stack.where['api_url']}/openapi.yaml", timeout=10).text
    assert requests.get(f"{stack.where['api_url']}/docs", timeout=10).status_code == 200
    agent = requests.get(stack.where["agents"][0]["health_url"], timeout=10)
    assert (agent.status_code, agent.json()["role"]) == (200, "active"), agent.text


def test_a_clip_has_a_poster_and_a_contact_sheet(stack: RunningStack, nas: Path) -> None:
    def with_posters() -> dict[str, Any] | None:
        # On a busy machine the link does not wait for them.
        request_id = stack.ask(
            hand_id="hand-p", nas_video_path=str(nas / "night.mp4"), start_seconds=2, end_seconds=42
        )
        status = stack.wait(request_id)
        return status if "contact_sheet_url" in status else None

    status = eventually(with_posters, "a clip with posters", within=60)
    for name, size in (("poster_url", (320, 200)), ("contact_sheet_url", (960, 600))):
        answer = requests.get(status[name], timeout=30)
        assert answer.headers["Content-Type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert (image.format, image.size) == ("JPEG", size)
    url = f"{stack.where['api_url']}/v1/clips?hand_id=hand-p&limit=1"
    assert stack.session.get(url, timeout=10).json()["clips"] == [status]
