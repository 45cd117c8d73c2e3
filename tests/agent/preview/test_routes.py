"""Every route of previews, on a running agent."""

from __future__ import annotations

import io
import os
import re
import time
from urllib.parse import urljoin

import av
import requests
from PIL import Image

from clipping.contract.catalog import index_key
from clipping.store.local import LocalStore
from tests.agent.catalog.conftest import read_root
from tests.agent.preview.conftest import ORIGIN, Viewer
from tests.support.media import number_of
from tests.support.waiting import eventually


def test_a_folder_is_listed(viewer: Viewer) -> None:
    answer = viewer.get("recordings")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["root"] == str(viewer.agent.nas)
    assert found["folders"] == [{"name": "2026", "prefix": "2026"}]
    assert [each["name"] for each in found["recordings"]] == ["night.mp4", "text.mp4"]
    night = found["recordings"][0]
    path = viewer.agent.nas / "night.mp4"
    assert (night["id"], night["size"]) == (viewer.id_of("night.mp4"), path.stat().st_size)
    assert night["path"] == str(path)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_folder_below_it_a_search_and_pages(viewer: Viewer) -> None:
    below = viewer.get("recordings", prefix="2026/").json()
    assert [each["name"] for each in below["recordings"]] == ["table 7.mp4"]
    assert [each["name"] for each in viewer.get("recordings", q="NIGHT").json()["recordings"]] == [
        "night.mp4"
    ]
    first = viewer.get("recordings", limit=1).json()
    second = viewer.get("recordings", limit=1, cursor=first["next_cursor"]).json()
    assert [each["name"] for each in first["recordings"] + second["recordings"]] == ["night.mp4", "text.mp4"]
    assert "next_cursor" not in second
    assert second["folders"] == []


def test_folders_that_are_not_there(viewer: Viewer) -> None:
    for query in ({"prefix": "none"}, {"prefix": "night.mp4"}, {"root": "/etc"}):
        answer = viewer.get("recordings", **query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), query
    for query in ({"prefix": "../"}, {"limit": "0"}, {"cursor": "%"}, {"colour": "red"}, {"q": "a\0"}):
        answer = viewer.get("recordings", **query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST"), query
        assert answer.json()["error"]["field"] == next(iter(query))


def test_a_recording_that_is_written_is_growing(viewer: Viewer) -> None:
    path = viewer.agent.nas / "night.mp4"
    os.utime(path)
    assert viewer.of("night.mp4").json()["growing"] is True
    old = time.time() - 60
    os.utime(path, (old, old))
    assert viewer.of("night.mp4").json()["growing"] is False
    assert viewer.get("recordings", q="night").json()["recordings"][0]["growing"] is False


def test_what_a_recording_holds(viewer: Viewer) -> None:
    answer = viewer.of("night.mp4")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["playable"], found["name"]) == ("copy", "night.mp4")
    assert abs(found["duration"] - 12) < 0.1
    assert re.fullmatch(r"avc1\.[0-9a-f]{6}", found["streams"][0]["mse"])
    listed = viewer.get("recordings", q="night").json()["recordings"][0]
    assert (listed["duration"], listed["codecs"][0]) == (found["duration"], "h264")


def test_keyframes(viewer: Viewer) -> None:
    whole = viewer.of("night.mp4", "/keyframes").json()
    assert whole["times"][0] == 0
    part = viewer.of("night.mp4", "/keyframes", **{"from": "2", "to": "6"}).json()
    assert part["times"] == [time for time in whole["times"] if 2 <= time < 6]
    assert part["end"] == 6


def test_a_window_holds_the_frames(viewer: Viewer) -> None:
    answer = viewer.of("night.mp4", "/window.mp4", t="5.02", d="2")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith('video/mp4; codecs="avc1.')
    start, end = float(answer.headers["Preview-Start"]), float(answer.headers["Preview-End"])
    assert start <= 5.02
    assert end >= 7.02
    assert answer.headers["Preview-Kind"] == "copy"
    with av.open(io.BytesIO(answer.content)) as window:
        frames = list(window.decode(video=0))
    assert len(frames) == int(answer.headers["Preview-Frames"])
    assert float(answer.headers["Preview-Offset"]) <= start
    encoded = viewer.of("night.mp4", "/window.mp4", t="5.02", d="2", encode="true")
    assert (encoded.status_code, encoded.headers["Preview-Kind"]) == (200, "proxy")


def test_a_strip_and_its_tiles(viewer: Viewer) -> None:
    query = {"from": "0", "to": "12", "n": "4", "h": "64"}
    strip = viewer.of("night.mp4", "/strip.jpg", **query)
    assert strip.headers["Content-Type"] == "image/jpeg"
    image = Image.open(io.BytesIO(strip.content))
    width, height = int(strip.headers["Preview-Width"]), int(strip.headers["Preview-Height"])
    assert height == 64
    token = viewer.token()
    url = f"{viewer.url}/preview/v1/recordings/{viewer.id_of('night.mp4')}/strip.vtt"
    tiles = requests.get(url, params={"token": token, **query}, timeout=30)
    assert tiles.headers["Content-Type"].startswith("text/vtt")
    cues = re.findall(r"^(strip\.jpg\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$", tiles.text, re.M)
    assert len(cues) == int(strip.headers["Preview-Tiles"]) > 1
    for _, *box in cues:
        x, y, w, h = map(int, box)
        assert (w, h) == (width, height)
        assert x + w <= image.width
        assert y + h <= image.height
    # What a page makes of it, without a header.
    shown = requests.get(urljoin(url, cues[0][0]), timeout=30)
    assert shown.content == strip.content


def test_a_still_is_the_frame(viewer: Viewer) -> None:
    answer = viewer.of("night.mp4", "/still.jpg", t="3.01", h="200")
    assert answer.status_code == 200, answer.text
    with av.open(io.BytesIO(answer.content)) as image:
        assert number_of(next(image.decode(video=0))) == 75
    assert answer.headers["Preview-Time"] == "3"
    small = viewer.of("night.mp4", "/still.jpg", t="3.01", h="100")
    assert Image.open(io.BytesIO(small.content)).height == 100


def test_peaks(viewer: Viewer) -> None:
    answer = viewer.of("night.mp4", "/peaks", **{"from": "1", "to": "3", "px": "50"})
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == 100
    assert (answer.headers["Preview-Start"], answer.headers["Preview-End"]) == ("1", "3")


def test_a_browser_need_not_load_it_again(viewer: Viewer) -> None:
    first = viewer.of("night.mp4", "/still.jpg", t="1")
    assert first.headers["Cache-Control"] == "private, no-cache"
    etag = first.headers["ETag"]
    second = viewer.of("night.mp4", "/still.jpg", t="1", headers={"If-None-Match": etag})
    assert (second.status_code, second.content) == (304, b"")
    other = viewer.of("night.mp4", "/still.jpg", t="2", headers={"If-None-Match": etag})
    assert other.status_code == 200
    os.utime(viewer.agent.nas / "night.mp4")
    changed = viewer.of("night.mp4", "/still.jpg", t="1", headers={"If-None-Match": etag})
    assert changed.status_code == 200


def test_pages_of_the_console_may_call(viewer: Viewer) -> None:
    answer = viewer.of("night.mp4", "/still.jpg", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Preview-Time" in answer.headers["Access-Control-Expose-Headers"]
    other = viewer.of("night.mp4", "/still.jpg", headers={"Origin": "http://other.example.com"})
    assert "Access-Control-Allow-Origin" not in other.headers
    url = f"{viewer.url}/preview/v1/recordings"
    preflight = requests.options(url, headers={"Origin": ORIGIN}, timeout=10)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]


def test_errors_have_the_shape_of_the_api(viewer: Viewer) -> None:
    broken = viewer.of("text.mp4")
    assert (broken.status_code, broken.json()["error"]["code"]) == (422, "SOURCE_CORRUPT")
    behind = viewer.of("night.mp4", "/still.jpg", t="100")
    assert (behind.status_code, behind.json()["error"]["code"]) == (422, "RANGE_BEYOND_END")
    wrong = viewer.of("night.mp4", "/window.mp4", t="1e9")
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "t")
    assert wrong.json()["timestamp"].endswith("Z")
    unknown = viewer.get("others")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
    posted = requests.post(f"{viewer.url}/preview/v1/recordings", timeout=10)
    assert (posted.status_code, posted.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_it_is_counted(viewer: Viewer) -> None:
    viewer.get("recordings")
    metrics = requests.get(f"{viewer.url}/metrics", timeout=10).text
    assert 'clipping_previews_total{call="list",status="200"}' in metrics
    assert "clipping_preview_cache_bytes" in metrics


def test_the_agent_keeps_a_catalogue_of_them(viewer: Viewer) -> None:
    store = LocalStore(viewer.agent.folder / "store", public_url="http://127.0.0.1")
    eventually(lambda: store.stat(index_key("nas-1")), "the first scan", logs=viewer.agent.log)
    root, entries = read_root(store, viewer.agent.nas)
    assert (root.available, set(entries)) == (True, {"night.mp4", "text.mp4", "2026/table 7.mp4"})
    metrics = requests.get(f"{viewer.url}/metrics", timeout=10).text
    assert 'clipping_catalog_scans_total{result="scanned"} 1.0' in metrics
