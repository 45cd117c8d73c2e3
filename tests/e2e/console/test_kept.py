"""Drafts and keys outlast the tab, what was undone is done again, and a finger shows a recording's frames."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

RANGES = "return [...document.querySelectorAll('.range')].map((each) => each.innerText || each.id).length"


def test_drafts_are_there_in_another_tab_and_are_done_again(console: Console) -> None:
    browser, front = console.browser, console.browser.tab()
    console.find("table-7.mp4")
    browser.press("i", ".")
    console.shows(1)
    browser.press("o")
    browser.type("#range-name", "kept-draft")
    browser.press("Enter")
    at = browser.script("return location.hash")
    other = browser.add_tab()
    try:
        browser.switch(other)
        browser.open(f"{console.stack.where['console_url']}#key={console.stack.where['api_key']}")
        eventually(lambda: browser.count(".card strong"), "the recordings")
        browser.script(f"location.hash = {at!r}")
        eventually(
            lambda: browser.script("return document.getElementById('range-name')?.value") == "kept-draft"
        )
        browser.press("Delete")
        eventually(lambda: browser.script(RANGES) == 0, "no range")
        browser.press("Ctrl+z")
        eventually(lambda: browser.script(RANGES) == 1, "the range again")
        browser.press("Ctrl+Shift+Z")
        eventually(lambda: browser.script(RANGES) == 0, "that it is deleted again")
    finally:
        browser.switch(other)
        browser.close_tab()
        browser.switch(front)


def test_a_key_that_is_changed_is_kept_and_tab_moves_the_focus(console: Console) -> None:
    browser = console.browser
    row = "return document.querySelector('.key-row')"

    def open_keys() -> None:
        eventually(lambda: browser.count(".card strong"), "the recordings")
        browser.press("?")
        eventually(lambda: browser.count(".key-groups"), "the list of keys")

    try:
        open_keys()
        browser.click(".key-row")
        eventually(lambda: browser.count(".key-row.changing"), "the question for a key")
        browser.press("Tab")
        eventually(lambda: not browser.count(".key-row.changing"), "the end of the question")
        assert browser.script(f"{row}.nextElementSibling === document.activeElement")
        browser.click(".key-row")
        browser.press("w")
        eventually(lambda: browser.script(f"{row}.innerText").endswith("W"), "the new key")
        browser.script("location.reload()")
        open_keys()
        assert browser.script(f"{row}.innerText").endswith("W")
    finally:
        browser.script("localStorage.removeItem('clipping.keys')")


def test_a_finger_on_a_card_shows_what_is_in_the_recording(console: Console) -> None:
    browser = console.browser
    browser.appear(390, 844, phone=True)
    browser.devtools("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        found = "return document.querySelector('.thumb')?.querySelectorAll('.tile, .thumb-length').length"
        eventually(lambda: browser.script(found) == 2, "the frames and the length of the first recording")
        browser.script("document.querySelector('.thumb').scrollIntoView({block: 'center'})")
        box = "const box = document.querySelector('.thumb').getBoundingClientRect();"
        left, top, width = browser.script(f"{box} return [box.left, box.top, box.width]")

        def touch(kind: str, *at: float) -> None:
            points: list[dict[str, Any]] = [{"x": left + width * part, "y": top + 20} for part in at]
            browser.devtools("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", 0.25)
        for part in (0.3, 0.4, 0.5):
            touch("touchMove", part)
        time = "return document.querySelector('.thumb-time:not([hidden])')?.innerText"
        eventually(lambda: browser.script(time) in ("0:29", "0:30"), "the time in the middle")
        touch("touchEnd")
        assert browser.count(".card")  # it is not opened
    finally:
        browser.devtools("Emulation.setTouchEmulationEnabled", {"enabled": False})
