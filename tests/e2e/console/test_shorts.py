"""Shorts: where the crop is in the clip, what is left of the quota, and how long a short is kept."""

from __future__ import annotations

import json
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
from tests.support.console import RATE, SECONDS, Console
from tests.support.media import HEIGHT, WIDTH, Recording, make
from tests.support.stack import HTTP_SECONDS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FIRST, LAST = 30, 57
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
    go(console, FIRST + 4)
    browser.drag(CROP, (60, 200), (50, 200), (0, 200))  # by mouse
    says(console, ".framing-count", "1 point")
    go(console, LAST - 4)
    browser.script(f"document.querySelector('{CROP} .grip').focus()")
    browser.press(*["Shift+ArrowRight"] * 4, "ArrowRight", "Escape")  # by keyboard
    says(console, ".framing-count", "2 points")
    at = (FIRST, FIRST + 4, FIRST + 9, FIRST + 16, LAST - 4, LAST)
    expected = {}
    for number in at:
        go(console, number)
        expected[number] = drawn(console)
    assert expected[FIRST + 4] == expected[FIRST]
    assert expected[LAST - 4] == pytest.approx(expected[FIRST + 4] + 41, abs=0.1)
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
    go(console, FIRST + 9)
    assert drawn(console) == pytest.approx(expected[FIRST + 9], abs=0.1)


def test_a_window_that_followed_is_changed_afterwards(console: Console, tmp_path: Path) -> None:
    browser = console.browser
    draft(console, "followed", FIRST, FIRST + 11)
    pick(console, "Following")
    eventually(lambda: browser.count(".crop.unknown"), "that nothing is known yet")
    browser.press("e")
    done = requested(console, "followed")
    framing = done["report"]["framing"]
    eventually(lambda: browser.count(".requests .main"), "the button")
    assert browser.text(".requests .main") == "Change the framing"
    browser.click(".requests .main")
    eventually(lambda: browser.count(".box.crop:not(.disabled)") or console.browser.count(".point"), "points")
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
    for number in (FIRST + 4, FIRST + 14):
        go(console, number)
        browser.script(f"document.querySelector('{CROP} .grip').focus()")
        browser.press("Shift+ArrowRight", "Escape")
    eventually(lambda: browser.count(".point") == 2, "two points")
    eventually(lambda: browser.count(".point.here"), "the point at the playhead")
    browser.script("document.querySelector('[data-point=\"1\"]').focus()")
    browser.press("Shift+ArrowRight", "ArrowLeft")
    eventually(lambda: not browser.count(".point.here"), "that it moved")
    go(console, FIRST + 23)
    eventually(lambda: browser.count(".point.here"), "the point nine frames later")
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
