"""Highlights and titles: placed in the editor, and in the clip where the screen showed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests

from tests.support.console import RATE, Console
from tests.support.media import HEIGHT, WIDTH
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]
TEXT = "<img src=x onerror=alert(1)> 50% 'q'"
FIRST, FRAMES = 105, 51


def greys(path: Path, first: int = 0, count: int = FRAMES) -> Any:
    """Frames as an array [frame, row, column] of luma."""
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)][: first + count]
    return np.array(shown[first:], dtype=np.float32)


def on_screen(console: Console, selector: str) -> list[float]:
    """Left, top, right and bottom of an element in pixels of the recording."""
    found: list[float] = console.browser.script(
        "const frame = document.querySelector('.layer').getBoundingClientRect();"
        f"const box = document.querySelector({selector!r}).getBoundingClientRect();"
        f"const [x, y] = [{WIDTH} / frame.width, {HEIGHT} / frame.height];"
        "return [(box.left - frame.left) * x, (box.top - frame.top) * y,"
        " (box.right - frame.left) * x, (box.bottom - frame.top) * y];"
    )
    return found


def radii(box: list[float]) -> Any:
    """Of each pixel: how far it is from the middle of the ellipse in a box, in radii."""
    left, top, right, bottom = box
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    across, down = (
        (x - (left + right) / 2) / ((right - left) / 2),
        (y - (top + bottom) / 2) / ((bottom - top) / 2),
    )
    return np.hypot(across, down)


def brightness(clip: Any, source: Any, where: Any) -> float:
    """Of the clip's pixels there, as a share of the recording's."""
    bright = where & (source > 60)
    assert bright.sum() > 20
    return float(np.median(clip[bright] / source[bright]))


def mark(console: Console, first: int, last: int) -> None:
    for number, key in ((first, "i"), (last, "o"), (first, "")):
        console.go_to(f"00:00:{number // RATE:02}:{number % RATE:02}")
        console.shows(number)
        if key:
            console.browser.press(key)


def test_a_highlight_and_a_title_are_in_the_clip_where_the_screen_drew_them(
    console: Console, tmp_path: Path
) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    mark(console, FIRST, FIRST + FRAMES - 1)
    # By mouse: around a player. It is moved at a later frame, by keys, so it follows.
    browser.click(".effects-head button")
    eventually(lambda: browser.count(".catcher:focus"), "the frame that takes the highlight")
    width, height = browser.script(
        "const {width, height} = document.querySelector('.layer').getBoundingClientRect();"
        "return [width, height]"
    )
    browser.drag(
        ".layer", (width * 0.2, height * 0.3), (width * 0.3, height * 0.4), (width * 0.4, height * 0.7)
    )
    eventually(lambda: browser.count(".highlight-box .grip:focus"), "the highlight")
    browser.script(
        "const kind = document.querySelector('.effects select');"
        "kind.value = 'spotlight'; kind.dispatchEvent(new Event('change'));"
    )
    eventually(lambda: browser.count(".highlight.spotlight"), "the spotlight")
    assert on_screen(console, ".highlight-box") == pytest.approx([64, 60, 128, 140], abs=2)
    boxes = {0: on_screen(console, ".highlight-box")}
    browser.script("document.getElementById('player').focus()")
    browser.press("ArrowRight")
    console.shows(FIRST + RATE)
    browser.script("document.querySelector('.highlight-box .grip').focus()")
    browser.press(*["Shift+ArrowRight"] * 8)
    eventually(lambda: "2 points" in browser.text(".effect"), "the second point")
    boxes[RATE] = on_screen(console, ".highlight-box")
    assert boxes[RATE][0] == pytest.approx(boxes[0][0] + 80, abs=2)
    # The title, by keys.
    browser.script("document.querySelectorAll('.effects-head button')[1].focus()")
    browser.press("Enter")
    eventually(lambda: browser.count("#title-name:focus"), "the title's field")
    browser.press(*TEXT)
    eventually(lambda: TEXT in browser.text(".title-box"), "the title over the frame")
    title = on_screen(console, ".title-box")
    assert browser.text("[aria-label=Mode] .chosen") == "Encode"
    assert "Highlights and titles need Encode" in browser.text(".range.open")
    eventually(lambda: browser.text(".plan strong") == "Exact to the frame.", "the plan")
    browser.type("#range-name", "effects")
    browser.press("Enter")
    done = console.request("effects")
    assert done["status"] == "completed", done
    path = tmp_path / "clip.mp4"
    path.write_bytes(requests.get(done["download_url"], timeout=60).content)
    clip, source = greys(path), greys(console.stack.nas_root / "table-7.mp4", FIRST)
    assert len(clip) == FRAMES
    left, top, right, bottom = map(round, title)
    below = np.zeros((HEIGHT, WIDTH), bool)
    below[bottom + 4 : HEIGHT - 30] = True
    boxes[12] = [a + (b - a) * 12 / RATE for a, b in zip(boxes[0], boxes[RATE], strict=True)]
    for number, box in boxes.items():
        far = radii(box)
        assert brightness(clip[number], source[number], (far < 0.75) & below) == pytest.approx(1, abs=0.07)
        assert brightness(clip[number], source[number], (far > 1.25) & below) == pytest.approx(0.3, abs=0.07)
        # Its edge: half of it is beside the middle, as far as the radii.
        assert 0.45 < brightness(clip[number], source[number], (far > 0.95) & (far < 1.05) & below) < 0.85
    # The title is white, but for its letters and its border, and nothing is beside it.
    light = clip[1] > 200
    rows, columns = light[:, left + 8 : right - 8].mean(axis=1), light[top + 8 : bottom - 8].mean(axis=0)
    assert [np.flatnonzero(rows > 0.6)[i] for i in (0, -1)] == pytest.approx([top + 2, bottom - 3], abs=2)
    assert [np.flatnonzero(columns > 0.6)[i] for i in (0, -1)] == pytest.approx([left + 2, right - 3], abs=2)
    assert browser.script("return window.ran") is None


def test_highlights_are_placed_by_keys_and_what_the_service_refuses_is_at_its_field(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    mark(console, 250, 275)
    browser.press("h")
    eventually(lambda: browser.count(".catcher:focus"), "the frame that takes the highlight")
    browser.press("Escape")
    eventually(lambda: not browser.count(".catcher"), "nothing placed")
    browser.press("h")
    eventually(lambda: browser.count(".catcher:focus"), "the frame that takes the highlight")
    browser.press("Enter")
    eventually(lambda: browser.count(".highlight-box .grip:focus"), "the highlight in the middle")
    left, top, right, bottom = on_screen(console, ".highlight-box")
    assert [(left + right) / 2, (top + bottom) / 2] == pytest.approx([WIDTH / 2, HEIGHT / 2], abs=1)
    browser.press("Alt+Shift+ArrowRight", "ArrowDown")
    moved = on_screen(console, ".highlight-box")
    assert [moved[0] - left, moved[2] - right, moved[1] - top] == pytest.approx([0, 10, 1], abs=0.7)
    # Only while it lasts: it ends 3 s later, or with the range.
    console.go_to("00:00:12:00")
    console.shows(300)
    assert not browser.count(".highlight-box")
    browser.script("document.querySelectorAll('.effects-head button')[1].click()")
    eventually(lambda: browser.count("#title-notes"), "the title's fields")
    browser.click(".requests .main")
    eventually(lambda: "Write a title, or remove it." in browser.text(".effects"), "what is missing")
    browser.type("#title-name", "Fine")
    assert "Write a title" not in browser.text(".effects")
    browser.script(
        "const notes = document.getElementById('title-notes'); notes.value = 'x'.repeat(1001);"
        "notes.dispatchEvent(new Event('input'));"
    )
    browser.click(".requests .main")
    eventually(lambda: browser.count("#title-notes[aria-invalid=true]"), "the refusal at its field")
    assert "Must be at most 1000 characters." in browser.text(".effects .error-text")
    browser.press("Escape")
    browser.script("document.querySelector('[aria-label=\"Remove the title\"]').click()")
    browser.script("document.getElementById('player').focus()")
    browser.press("Ctrl+z")
    eventually(lambda: browser.count("#title-name"), "the title, back again")
    highlights = "highlights: [{id: 'a', from: 0, to: 1}, {id: 'b', from: 5, to: 6}]"
    field = "effects.overlay.regions[0].end_time"
    found = f"(await import('/console/effects.js')).effectField({{{highlights}, in: 4, out: 9}}, {field!r})"
    assert browser.script(f"return {found}") == "highlight-b"


def test_each_part_of_a_split_range_has_the_highlights_that_it_shows(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    mark(console, 250, 275)
    browser.press("h")
    eventually(lambda: browser.count(".catcher:focus"), "the frame that takes the highlight")
    browser.press("Enter")
    eventually(lambda: browser.count(".highlight-box .grip:focus"), "the highlight")
    browser.type(".effect label:nth-of-type(2) .time", "00:00:10:05")
    browser.press("Enter")
    console.go_to("00:00:10:10")
    console.shows(260)
    browser.press("b")
    eventually(lambda: browser.count(".range") == 2, "two ranges")
    assert not browser.count(".effect")
    browser.script("document.querySelector('.range-line').click()")
    eventually(lambda: browser.count(".effect"), "the highlight of the first one")
    assert not browser.count(".effects .error-text")
