"""The list of clips."""

from __future__ import annotations

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]
TEN_SECONDS = {"start_seconds": 20, "end_seconds": 30, "mode": "copy"}


def test_clips_are_cancelled_and_requested_again(console: Console) -> None:
    browser, path = console.browser, str(console.stack.nas_root / "none.mp4")
    failed = console.stack.ask(hand_id="again", nas_video_path=path, start_seconds=0, end_seconds=1)
    console.stack.wait(failed)
    browser.script("location.hash = '#/clips'")
    row = f'[data-id="{failed}"]'
    eventually(lambda: browser.count(f"{row} .badge.error"), "the failed clip")
    browser.click(f'{row} [aria-label="Retry again"]')
    eventually(lambda: len(console.clips("again")) == 2, "the new request")
    assert console.clips("again")[0]["retry_of"] == failed
    # A long encode, cancelled from the list, with the pause in which that could be undone.
    whole = {
        "nas_video_path": str(console.stack.nas_root / "table-7.mp4"),
        "start_seconds": 0,
        "end_seconds": 59,
    }
    long = console.stack.ask(hand_id="long", **whole, mode="encode", output={"height": 2160})
    row = f'[data-id="{long}"]'
    # The pointer is over the table: rows do not move below it.
    browser.click(".fresh")
    eventually(lambda: browser.count(f'{row} [aria-label="Cancel long"]'), "the running clip")
    browser.click(f'{row} [aria-label="Cancel long"]')
    assert "long will be cancelled" in browser.text(".toasts")
    assert console.stack.status(long)["status"] in ("queued", "processing")
    assert console.stack.wait(long)["status"] == "cancelled"
    eventually(lambda: browser.text(f"{row} .state") == "Cancelled", "the end in the list")


def test_clips_are_found_by_recording_and_day_and_the_contact_sheet_jumps(console: Console) -> None:
    browser, root = console.browser, console.stack.nas_root
    ids = {
        name: console.stack.ask(hand_id=f"of-{name[-2:]}", nas_video_path=str(root / name), **TEN_SECONDS)
        for name in ("table-7.mp4", "table-7.ts")
    }
    for each in ids.values():
        assert console.stack.wait(each)["status"] == "completed"
    browser.script("location.hash = '#/clips'")
    first, other = (f'[data-id="{each}"]' for each in ids.values())
    eventually(lambda: browser.count(first) and browser.count(other), "both clips")
    assert "0:00:20:00 – 00:00:30:00" in browser.text(f"{first} .when")
    choose(console, "Recording", str(root / "table-7.mp4"))
    eventually(lambda: browser.count(first) and not browser.count(other), "those of one recording")
    choose(console, "Recording", "")
    choose(console, "Requested", "0")
    eventually(lambda: browser.count(first) and browser.count(other), "those of today")
    browser.click(f"{first} .actions button:last-child")
    eventually(lambda: browser.count(".sheet-grid button") in (4, 9, 16), "the contact sheet")
    count = browser.count(".sheet-grid button")
    browser.script("document.querySelectorAll('.sheet-grid button')[2].click()")
    place = "return document.querySelector('.report video').currentTime"
    assert browser.script(place) == pytest.approx(10 * 2.5 / count, abs=0.2)


def choose(console: Console, label: str, value: str) -> None:
    console.browser.script(
        f"const list = document.querySelector('.filters [aria-label={label}]');"
        f"list.value = {value!r}; list.dispatchEvent(new Event('change'));"
    )
