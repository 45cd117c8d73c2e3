"""Shorts: where the crop is in the clip, what is left of the quota, and how long a short is kept."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests

from agent.cutting.effects.keyframes import CropPath
from clipping.contract.effects import Framing
from tests.support import axe
from tests.support.console import MARKUP, RATE, SCREENSHOTS, SECONDS, Console
from tests.support.media import HEIGHT, WIDTH, Recording, make
from tests.support.stack import HTTP_SECONDS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

FIRST, LAST = 30, 45
WINDOW = HEIGHT * 9 / 16
CROP = "[data-box=crop]"


def go(console: Console, number: int) -> None:
    second, frame = divmod(number, RATE)
    console.go_to(f"00:00:{second:02}:{frame:02}")
    console.shows(number)


def draft(console: Console, name: str, first: int = FIRST, last: int = LAST) -> None:
    """A short that is not requested yet, from the first frame to the last one."""
    console.find("table-7.mp4")
    go(console, first)
    console.browser.press("i")
    go(console, last)
    console.browser.press("o")
    console.browser.type("#range-name", name)
    console.browser.press("Enter")
    choose(console, ".shape select", "short")
    eventually(lambda: console.browser.count(CROP), "the crop")
    pick(console, "Medium")


def says(console: Console, selector: str, text: str) -> None:
    eventually(
        lambda: console.browser.count(selector) and text in console.browser.text(selector),
        text,
        logs=console.seen,
    )


def choose(console: Console, selector: str, value: str) -> None:
    console.browser.script(
        f"const field = document.querySelector({selector!r}); field.value = {value!r};"
        "field.dispatchEvent(new Event('change'))"
    )


def pick(console: Console, label: str) -> None:
    choice = f"[...document.querySelectorAll('[role=radio]')].find((each) => each.innerText === {label!r})"
    console.browser.script(f"{choice}.click()")
    eventually(
        lambda: console.browser.script(f"return {choice}.getAttribute('aria-checked')") == "true", label
    )


def drawn(console: Console) -> float:
    """Where the crop begins that the screen draws over the frame, in pixels of the recording."""
    box = f"document.querySelector({CROP!r}).getBoundingClientRect()"
    # Of the frame that the video element shows, not of the layer that the crop is drawn on.
    return float(
        console.browser.script(
            "const video = document.querySelector('video'), around = video.getBoundingClientRect();"
            "const scale = Math.min(around.width / video.videoWidth, around.height / video.videoHeight);"
            "const left = around.left + (around.width - video.videoWidth * scale) / 2;"
            f"return ({box}.left - left) / scale"
        )
    )


def shown(short: Any, recording: Any) -> float:
    """Where the window of a frame of a short begins, by the frame of the recording that it is cut out of."""
    high, wide = short.shape
    rows = np.arange(4, HEIGHT, 8)
    seen = short[((rows + 0.5) * high / HEIGHT).astype(int)].astype(float)
    places = (np.arange(wide) + 0.5) * WINDOW / wide - 0.5
    starts = np.arange(0, WIDTH - WINDOW, 0.05)
    errors = [
        np.abs([np.interp(start + places, np.arange(WIDTH), recording[row]) for row in rows] - seen).mean()
        for start in starts
    ]
    return float(starts[np.argmin(errors)])


def windows(done: dict[str, Any], path: Path, numbers: Sequence[int]) -> dict[int, float]:
    """Where the window begins in some frames, by their number in the recording."""
    path.write_bytes(requests.get(done["download_url"], timeout=HTTP_SECONDS).content)
    cut, recording = gray(path), gray(make(Recording(seconds=SECONDS, gop=250)), LAST)
    assert len(cut) == LAST - FIRST + 1
    assert {frame.shape for frame in cut} == {(1920, 1080)}
    return {number: shown(cut[number - FIRST], recording[number]) for number in numbers}


def gray(path: Path, last: int | None = None) -> list[Any]:
    with av.open(str(path)) as container:
        frames = islice(container.decode(video=0), None if last is None else last + 1)
        return [frame.to_ndarray(format="gray") for frame in frames]


def requested(console: Console, name: str) -> dict[str, Any]:
    clip = eventually(lambda: next(iter(console.clips(name)), None), f"the request {name}")
    done = console.stack.wait(clip["request_id"], timeout=120)
    assert done["status"] == "completed", done
    return done


def test_the_crop_is_where_the_screen_drew_it(console: Console, tmp_path: Path) -> None:
    browser = console.browser
    draft(console, "framed")
    go(console, FIRST + 2)
    browser.drag(CROP, (60, 200), (50, 200), (0, 200))  # by mouse
    says(console, ".framing-count", "1 point")
    go(console, LAST - 2)
    browser.script(f"document.querySelector('{CROP} .grip').focus()")
    browser.press(*["Shift+ArrowRight"] * 4, "ArrowRight", "Escape")  # by keyboard
    says(console, ".framing-count", "2 points")
    at = (FIRST, FIRST + 2, FIRST + 7, LAST - 2, LAST)
    expected = {}
    for number in at:
        go(console, number)
        expected[number] = drawn(console)
    assert expected[FIRST + 2] == expected[FIRST]
    assert expected[LAST - 2] == pytest.approx(expected[FIRST + 2] + 41, abs=0.1)
    browser.press("e")
    done = requested(console, "framed")
    assert windows(done, tmp_path / "framed.mp4", at) == pytest.approx(expected, abs=0.25)
    # It opens as it was framed, also where nothing is known of it any more.
    browser.script(
        "for (const key of Object.keys(sessionStorage))"
        " if (key.includes('ranges')) sessionStorage.removeItem(key);"
        "location.hash = '#/shorts'; location.reload()"
    )
    card = f'[data-id="{done["request_id"]}"]'
    eventually(lambda: browser.count(card), "the short")
    browser.click(f'{card} a[href*="#/editor/"]')
    says(console, ".framing-count", "2 points")
    go(console, FIRST + 7)
    assert drawn(console) == pytest.approx(expected[FIRST + 7], abs=0.1)


@pytest.mark.exhaustive
def test_a_window_that_followed_is_changed_afterwards(console: Console, tmp_path: Path) -> None:
    browser = console.browser
    draft(console, "followed", FIRST, FIRST + 7)
    pick(console, "Following")
    eventually(lambda: browser.count(".crop.unknown"), "that nothing is known yet")
    browser.press("e")
    done = requested(console, "followed")
    framing = done["report"]["framing"]
    eventually(lambda: browser.count(".requests .main"), "the download")
    assert browser.text(".requests .grow") == "Change the framing"
    browser.click(".requests .grow")
    eventually(lambda: browser.count(".short .badge.neutral"), "a draft")
    path = CropPath(Framing.model_validate(framing), Fraction(RATE))
    go(console, FIRST + 5)
    assert drawn(console) == pytest.approx(path.at(5 / RATE, (WIDTH, HEIGHT)).x, abs=0.1)
    before = browser.count(".point")
    browser.script(f"document.querySelector('{CROP} .grip').focus()")
    browser.press("Shift+ArrowLeft")
    eventually(lambda: browser.count(".point") in (before, before + 1), "the change")
    eventually(lambda: browser.count(".point.here"), "a point at the playhead")


def test_points_are_moved_and_deleted(console: Console) -> None:
    browser = console.browser
    draft(console, "points")
    for number in (FIRST + 2, FIRST + 5):
        go(console, number)
        browser.script(f"document.querySelector('{CROP} .grip').focus()")
        browser.press("Shift+ArrowRight", "Escape")
    eventually(lambda: browser.count(".point") == 2, "two points")
    eventually(lambda: browser.count(".point.here"), "the point at the playhead")
    browser.script("document.querySelector('[data-point=\"1\"]').focus()")
    browser.press("Shift+ArrowRight", "ArrowLeft", "ArrowLeft")
    eventually(lambda: not browser.count(".point.here"), "that it moved")
    go(console, FIRST + 13)
    eventually(lambda: browser.count(".point.here"), "the point eight frames later")
    browser.script("document.querySelector('[data-point=\"1\"]').focus()")
    browser.press("Delete")
    eventually(lambda: browser.count(".point") == 1, "one point")
    assert browser.count(".short"), "the draft is still there"
    browser.press("Escape")
    # Both sides of what is left: it is a crop that stands still.
    still = drawn(console)
    go(console, FIRST)
    assert drawn(console) == still
    browser.script(
        f"document.querySelector('{CROP} .grip').dispatchEvent(new Event('dblclick', {{bubbles: true}}))"
    )
    eventually(lambda: browser.count(".point") == 2, "a centred point")
    assert drawn(console) == pytest.approx((WIDTH - WINDOW) / 2, abs=0.1)
    browser.press("Ctrl+z")
    eventually(lambda: browser.count(".point") == 1, "undone")
    # A corner makes the window smaller; the other corner stays, and so does the shape.
    width, height = browser.script(
        f"const box = document.querySelector({CROP!r}); return [box.offsetWidth, box.offsetHeight]"
    )
    browser.drag(CROP, (width - 3, height - 3), (width * 0.8, height - 60), (width * 0.5, height * 0.5))
    eventually(
        lambda: "The smallest window" in browser.text(".short-warning"), "the cause of the enlargement"
    )
    after = browser.script(
        f"const box = document.querySelector({CROP!r}); return [box.offsetWidth, box.offsetHeight]"
    )
    assert after[0] < width * 0.6
    assert after[0] / after[1] == pytest.approx(9 / 16, abs=0.01)
    # The whole frame: 320 pixels become 1080. Moved while it follows, it is a crop with a point.
    pick(console, "Blurred sides")
    says(console, ".short-warning", "3.4 times")
    says(console, ".short-warning", "320 pixels wide")
    browser.click(".requests .button:not(.main)")
    pick(console, "Following")
    browser.script(f"document.querySelector('{CROP} .grip').focus()")
    browser.press("ArrowLeft")
    says(console, ".framing-line", "1 point")
    assert browser.text("[aria-label='Fill the frame by'] .chosen") == "Cropping"


def test_the_crop_between_two_points_is_what_the_agent_computes(console: Console) -> None:
    rng = random.Random(19)
    size = (640, 360)
    cases, expected = [], []
    for number in range(40):
        keys = [
            {
                "time": rng.choice([0.0, 1.0, round(rng.uniform(0, 9), 3)]),
                "x": rng.uniform(-80, 600),
                "y": rng.uniform(-40, 300),
                "width": rng.uniform(1, 700),
                "height": rng.uniform(1, 400),
            }
            for _ in range(rng.randint(1, 9))
        ]
        framing = {"keyframes": keys, "interpolation": ("linear", "spline")[number % 2]}
        times = [*(key["time"] for key in keys), *(rng.uniform(-1, 10) for _ in range(20))]
        path = CropPath(Framing.model_validate(framing), Fraction(RATE))
        cases.append({**framing, "times": times})
        expected.append([[*path.at(time, size)] for time in times])
    console.browser.script(f"window.cases = {json.dumps(cases)}")
    found = console.browser.script(
        "return import('/console/framing.js').then(({CropPath}) => window.cases.map((each) => {"
        "  const path = new CropPath(each.keyframes, each.interpolation);"
        f"  return each.times.map((time) => path.at(time, {list(size)}))"
        "    .map(({x, y, width, height}) => [x, y, width, height]); }))"
    )
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one, other, rtol=0, atol=1e-9)


def small(console: Console, name: str, **fields: Any) -> dict[str, Any]:
    """The body of a short that is encoded within a second."""
    return {
        "hand_id": name,
        "nas_video_path": str(console.stack.nas_root / "table-7.mp4"),
        "start_seconds": 1,
        "end_seconds": 1.4,
        "output": {"aspect": "9:16", "fit": "letterbox", "height": 320, "quality": "medium"},
        **fields,
    }


def sign_in_as_admin(console: Console) -> None:
    """Its quota is its own."""
    browser, where = console.browser, console.stack.where
    browser.open("about:blank")
    browser.open(f"{where['console_url']}#key={where['admin_key']}")
    eventually(lambda: browser.count(".card strong"), "the recordings")


@pytest.mark.exhaustive
def test_without_shorts_left_the_button_says_when_and_markup_is_text(console: Console) -> None:
    browser, where = console.browser, console.stack.where
    notes = ("recording", "recording_id", "shape", "framing")
    fields = small(
        console,
        "used-up",
        nas_video_path=str(console.stack.nas_root / f"{MARKUP}.gone"),
        metadata={**dict.fromkeys(notes, f"/{MARKUP}"), "in": "0", "out": "1"},
    )
    with requests.Session() as admin:
        admin.headers["Authorization"] = f"Bearer {where['admin_key']}"
        for _ in range(11):
            answer = admin.post(f"{where['api_url']}/v1/clip/request", json=fields, timeout=HTTP_SECONDS)
            if answer.status_code == 429:
                break
        assert answer.json()["error"]["code"] == "QUOTA_EXCEEDED"
        sign_in_as_admin(console)
        browser.script("window.alert = () => { window.ran = true; }; location.hash = '#/shorts'")
        says(console, ".shorts-left", "No shorts left today")
        says(console, ".shorts-left", "next in 24 h")
        assert browser.count(".bars i") == 10
        assert not browser.count(".bars i.left")
        eventually(lambda: browser.count(".short-card .badge.error") == 10, "the failures")
        # As recording, and in the error's text.
        assert browser.text(".short-card:has(.badge.error)").count(MARKUP) == 2
        assert browser.count("img:not(.short-poster img), script:not([src])") == 0
        browser.script("location.hash = '#/recordings'")
        draft(console, "no-more")
        main = "document.querySelector('.short .main')"
        eventually(
            lambda: browser.script(f"return {main}.getAttribute('aria-disabled')") == "true", "disabled"
        )
        assert "The next one is free in 24 h" in browser.script(f"return {main}.title")
        says(console, "#short-none", "The next one is free in 24 h. Failed requests count too.")
        browser.click(".short .main")
        browser.press("Escape", "e")
        browser.click(".short [aria-label=Ranges]")
        says(console, ".side .error-text", "No shorts left today")
        pages = admin.get(f"{where['api_url']}/v1/clips", params={"hand_id": "no-more"}, timeout=HTTP_SECONDS)
        assert pages.json()["clips"] == []
        assert browser.script("return window.ran") is None


def test_a_short_is_kept_for_a_day_and_its_links_are_fresh(console: Console) -> None:
    browser = console.browser
    done = console.stack.wait(console.stack.ask(**small(console, "kept")))
    card = f'[data-id="{done["request_id"]}"]'
    browser.script(
        "location.hash = '#/shorts'; window.links = [];"
        "HTMLAnchorElement.prototype.click = function () { window.links.push(this.href); }"
    )
    eventually(lambda: browser.count(f"{card} .until"), "the time that is left")
    assert browser.script(f"return document.querySelector('{card} .until').dateTime") == done["expires_at"]
    first = browser.text(f"{card} .until")
    assert first.startswith("23:59:")
    eventually(lambda: browser.text(f"{card} .until") < first, "that it counts down")
    eventually(lambda: browser.count(f"{card} img"), "the poster")
    for count in (1, 2):
        browser.click(f"{card} [aria-label='Download kept']")
        eventually(lambda count=count: browser.script("return window.links.length") == count, "a link")
        link = browser.script("return window.links.at(-1)")
        assert requests.get(link, timeout=HTTP_SECONDS).headers["Content-Type"] == "video/mp4"
    calls = browser.script("return performance.getEntriesByType('resource').map(({name}) => name)")
    assert sum(url.endswith("/download") for url in calls) == 2
    # Later on this page's clock.
    for hours, state in ((23.5, ".until.soon"), (25, ".badge.neutral")):
        browser.script(f"window.now ??= Date.now; Date.now = () => window.now() + {hours} * 3600 * 1000")
        eventually(lambda state=state: browser.count(f"{card} {state}"), state)
    assert browser.text(f"{card} .badge.neutral") == "Deleted"
    assert browser.text(f"{card} .short-deeds .button").strip() == "Request it again"


@pytest.mark.exhaustive
def test_a_short_is_framed_on_a_phone_and_in_korean(console: Console, tmp_path: Path) -> None:
    browser, folder = console.browser, Path(os.environ.get(SCREENSHOTS, tmp_path))
    draft(console, "phone", 10 * RATE, 30 * RATE)
    for number, by in ((12 * RATE, "Shift+ArrowLeft"), (26 * RATE, "Shift+ArrowRight")):
        go(console, number)
        browser.script(f"document.querySelector('{CROP} .grip').focus()")
        browser.press(*[by] * 6, "Escape")
    go(console, 21 * RATE)
    eventually(lambda: browser.count(".point") == 2, "two points")
    says(console, ".short-facts", "about")
    before = drawn(console)
    browser.screenshot(folder / "console-short.png")
    editor = browser.script("return location.hash")
    for hash in (editor, "#/shorts"):
        browser.script(f"location.hash = {hash!r}")
        eventually(lambda hash=hash: browser.count(".short" if hash == editor else ".shorts"), hash)
        for width, height, theme in ((1440, 900, "light"), (900, 800, "dark"), (390, 844, "dark")):
            browser.appear(width, height, theme=theme, phone=width < 720, still=True)
            wide = "return ['html', 'main'].map((each) => document.querySelector(each).scrollWidth)"
            for language in ("Korean", "English"):
                browser.script("document.querySelector('.rail-foot .text').click()")
                if language == "Korean":
                    says(console, "main", "품질" if hash == editor else "쇼츠")
                eventually(lambda wide=wide, width=width: max(browser.script(wide)) <= width, f"{width}")
            assert axe.findings(browser) == []
            assert axe.small_targets(browser, 44 if width < 720 else 24) == []
            if hash == editor:
                # The layer covers what the video shows, so the crop is drawn where it is at each size.
                assert drawn(console) == pytest.approx(before, abs=0.6)
