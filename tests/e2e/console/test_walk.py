"""From the address that `clipping up` prints to a clip on the user's disk, without a path typed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.console import RATE, SCREENSHOTS, Console
from tests.support.media import shown_frames
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

FIRST, LAST = 5 * RATE, 12 * RATE
FOLDERS = "return [...document.querySelectorAll('.folder')].map((each) => each.innerText.trim())"
COUNT = """
    window.done = {clicks: 0, keys: 0};
    addEventListener('click', (event) => { done.clicks += event.isTrusted; }, true);
    addEventListener('keydown', (event) => { done.keys += event.isTrusted; }, true);
"""


def test_a_clip_is_downloaded_without_a_path_typed(console: Console, tmp_path: Path) -> None:
    browser, images = console.browser, Path(os.environ.get(SCREENSHOTS, tmp_path))
    files = tmp_path / "downloads"
    browser.devtools(
        "Browser.setDownloadBehavior",
        {"behavior": "allow", "downloadPath": str(files), "eventsEnabled": False},
    )
    browser.appear(1090, 750)  # without the tree of folders
    browser.open("about:blank")
    folder = console.stack.nas_root / "final"
    folder.mkdir(exist_ok=True)
    for number in (5, 6, 7):
        (folder / f"table-{number}.mp4").unlink(missing_ok=True)
        os.link(console.stack.nas_root / "table-7.mp4", folder / f"table-{number}.mp4")
    began = time.monotonic()
    browser.open(f"{console.stack.where['console_url']}#key={console.stack.where['api_key']}")
    folders = eventually(lambda: browser.script(FOLDERS), "the folders")
    browser.script(COUNT)
    browser.click(f".folder:nth-child({folders.index(folder.name) + 1})")
    eventually(lambda: browser.count(".card .tile") == 3, "the recordings")
    browser.save_image(images / "tutorial-recordings.png")
    browser.appear(1200, 750)
    browser.click(".card:last-child strong")  # on its frames, it opens at the time below the pointer
    console.shows(0)
    for second in range(1, FIRST // RATE + 1):
        browser.press("ArrowRight")
        console.shows(second * RATE)
    browser.press("i")
    for second in range(FIRST // RATE + 1, LAST // RATE + 1):
        browser.press("ArrowRight")
        console.shows(second * RATE)
    browser.press("o")
    eventually(lambda: "frames re-encoded" in browser.text(".plan"), "what a smart cut would cost")
    browser.save_image(images / "tutorial-range.png")
    browser.click(".plan .link")
    browser.press("e")
    eventually(lambda: browser.count(".range .badge.good"), "the clip")
    eventually(
        lambda: browser.script("return getComputedStyle(document.querySelector('.toast')).opacity") == "1"
    )
    browser.save_image(images / "tutorial-done.png")
    browser.click(".range [aria-label^=Download]")
    clip = eventually(lambda: next((each for each in files.glob("*.mp4")), None), "the file")
    seconds, done = time.monotonic() - began, browser.script("return window.done")
    print(f"{done['clicks']} clicks, {done['keys']} keys, {seconds:.1f} s")
    numbers = [number for _, number in shown_frames(clip)]
    assert (numbers[0], numbers[-1]) == (FIRST, LAST)
    assert done["clicks"] <= 4
    assert done["keys"] <= LAST // RATE + 4
