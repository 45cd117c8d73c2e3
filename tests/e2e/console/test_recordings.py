"""Recordings are found."""

from __future__ import annotations

import shutil

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_search_finds_recordings_in_all_folders(console: Console) -> None:
    browser = console.browser
    browser.press("/")
    eventually(lambda: browser.count("#find:focus"), "the search field")
    browser.press(*"deep")
    found = "return [...document.querySelectorAll('.card strong')].map((each) => each.innerText)"
    # As soon as the catalogue has it.
    eventually(lambda: browser.script(found) == ["deep-stack.mp4"], "the recording", within=120)
    assert "2026-11-20/below" in browser.text(".card .where").replace("\u200e", "")
    assert browser.text(".card strong mark") == "deep"


def test_a_list_shows_the_frames_of_each_recording_beside_each_other(console: Console) -> None:
    browser = console.browser
    browser.script("document.querySelector('[aria-label=View] [data-value=list]').click()")
    row = "document.querySelector('.recording-row:has([title=\"table-7.mp4\"])')"
    cells = f"return {row}?.querySelectorAll('.cell .tile').length ?? 0"
    eventually(lambda: browser.script(cells) > 1, "its frames", logs=lambda: browser.text(".scroll"))
    height, wide = browser.script(
        f"const box = {row}.getBoundingClientRect(); return [box.height, box.width]"
    )
    assert (height, wide > 1000) == (64, True)
    browser.script("location.reload()")
    eventually(lambda: browser.count(".recording-row"), "still a list")
    # What another program writes now comes first.
    path = console.stack.nas_root / "live.mp4"
    shutil.copy(console.stack.nas_root / "fragmented.mp4", path)
    try:
        browser.script("location.reload()")
        eventually(
            lambda: browser.count(".growing .badge.live"), "the row of what is being written", within=60
        )
        assert "live.mp4" in browser.text(".growing")
    finally:
        path.unlink()
