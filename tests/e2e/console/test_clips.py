"""The list of clips."""

from __future__ import annotations

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


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
