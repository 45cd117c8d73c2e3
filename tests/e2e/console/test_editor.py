"""The editor: ranges by keyboard and by mouse, and the frames of the clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.console import RATE, Console
from tests.support.media import shown_frames
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def frames_of(done: dict[str, Any], tmp_path: Path) -> list[int]:
    path = tmp_path / "clip.mp4"
    path.write_bytes(requests.get(done["download_url"], timeout=60).content)
    return [number for _, number in shown_frames(path)]


@pytest.mark.parametrize(
    ("extension", "mode", "first", "last"), [("mp4", "Smart", 313, 366), ("ts", "Encode", 89, 116)]
)
def test_the_clip_has_the_frames_where_in_and_out_were_set_by_keys(
    console: Console, tmp_path: Path, extension: str, mode: str, first: int, last: int
) -> None:
    browser, name = console.browser, f"{mode.lower()}-{first}"
    console.find(f"table-7.{extension}")
    start, rest = divmod(first, RATE)
    console.go_to(f"00:00:{start:02}:{rest:02}")
    console.shows(first)
    browser.press("i")
    # The last frame by seconds and single frames.
    seconds, frames = divmod(last - first, RATE)
    for step in range(seconds):
        browser.press("ArrowRight")
        console.shows(first + (step + 1) * RATE)
    for step in range(frames):
        browser.press(".")
        console.shows(first + seconds * RATE + step + 1)
    browser.press("o")
    browser.press("Enter")
    eventually(lambda: browser.count("#range-name:focus"), "the name's field")
    browser.type("#range-name", name)
    browser.press("Enter")
    browser.script(
        f"[...document.querySelectorAll('[role=radio]')].find((each) => each.innerText === {mode!r}).click()"
    )
    browser.press("Shift+ArrowLeft")
    console.shows(first)
    browser.press("Shift+ArrowRight")
    console.shows(last)
    done = console.request(name)
    assert done["status"] == "completed", done
    frames_cut = frames_of(done, tmp_path)
    assert (frames_cut[0], frames_cut[-1], len(frames_cut)) == (first, last, last - first + 1)


def test_a_range_is_drawn_by_mouse_and_requested(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    width = browser.script("return document.querySelector('.timeline-main').clientWidth")
    browser.drag(".timeline-main", (width / 6, 140), (width / 5, 140), (width / 4, 140))
    eventually(lambda: browser.count(".plan"), "the plan")
    assert "at a keyframe" in eventually(lambda: browser.text(".plan strong"))
    eventually(lambda: "frames re-encoded" in browser.text(".plan p"), "what a smart cut would cost")
    browser.script("[...document.querySelectorAll('.plan .link')].at(-1).click()")
    eventually(lambda: browser.text("[aria-label=Mode] .chosen") == "Smart", "mode Smart")
    browser.type("#range-name", "by-mouse")
    browser.click(".requests .main")
    clip = eventually(lambda: next(iter(console.clips("by-mouse")), None), "the request")
    report = console.stack.wait(clip["request_id"])["report"]
    assert report["mode"] == "smart"
    # Within a pixel of the timeline, which shows a minute; and exactly what the fields said.
    assert report["actual"]["start"] == pytest.approx(10, abs=0.1)
    assert report["actual"]["end"] == pytest.approx(15, abs=0.1)
    eventually(lambda: browser.count(".range .badge.good"), "the end in the list")
    eventually(lambda: "by-mouse is done" in browser.text(".toasts"), "the toast")


def test_it_plays_across_windows_and_keyframes(console: Console) -> None:
    console.find("table-7.mp4")
    console.go_to("00:00:09:00")
    console.shows(9 * RATE)
    console.browser.press("l")
    eventually(lambda: console.painted() > 11 * RATE, "two seconds of video", logs=console.seen)
    console.browser.press("k")
    eventually(lambda: console.frame == console.painted(), "rest", logs=console.seen)
