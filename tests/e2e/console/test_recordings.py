"""Recordings are found."""

from __future__ import annotations

import shutil

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


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
    # Of the folders, those without a hit are dimmed.
    # Other tests may have made further ones.
    branches = "return [...document.querySelectorAll('.branch{} .branch-name')].map((each) => each.innerText)"
    bright, dimmed = branches.format(":not(.dim)"), branches.format(".dim")
    root = str(console.stack.nas_root)
    eventually(lambda: browser.script(bright) == [root, "below"], "the folders with a hit")
    assert '"><script>alert(2)<' in browser.script(dimmed)


def test_the_tree_of_folders_is_walked_by_keys(console: Console) -> None:
    browser = console.browser
    items = "[...document.querySelectorAll('[role=treeitem]')]"
    names = f"return {items}.map((each) => each.querySelector('.branch-name').innerText)"
    root = str(console.stack.nas_root)
    eventually(lambda: set(browser.script(names)) >= {root, "below"}, "the tree")
    assert browser.script("return document.querySelector('.tree').offsetWidth") == 248
    browser.script("document.querySelector('[role=treeitem][tabindex=\"0\"]').focus()")
    focused = "return document.activeElement.querySelector('.branch-name')?.innerText"
    assert browser.script(focused) == root
    browser.press("ArrowLeft")
    eventually(lambda: browser.script(names) == [root], "the root alone")
    browser.press("ArrowRight")
    eventually(lambda: "below" in browser.script(names), "its folders again")
    browser.press("ArrowRight")
    while browser.script(focused) != "below":
        before = browser.script(focused)
        browser.press("ArrowDown")
        assert browser.script(focused) != before
    browser.press("Enter")
    # None is there while the folder is read.
    cards = "return [...document.querySelectorAll('.card strong')].map((each) => each.innerText)"
    eventually(lambda: browser.script(cards) == ["deep-stack.mp4"], "the folder's recording")
    chosen = "return document.querySelector('[aria-selected=true] .branch-name')?.innerText"
    eventually(lambda: browser.script(chosen) == "below", "the current folder")
    assert browser.script(focused) == "below"
    # There is nothing in it to open.
    eventually(lambda: not browser.count("[aria-selected=true][aria-expanded]"), "a folder without folders")
    browser.press("ArrowLeft")
    assert browser.script(focused) == root
    browser.appear(1000, 900)
    eventually(lambda: not browser.count(".tree"), "no tree in a narrow window")


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
