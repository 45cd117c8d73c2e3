"""What a returning user sees: what finished meanwhile, and which encodes went on where they stopped."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


def seen(console: Console) -> Any:
    return json.loads(console.browser.script("return localStorage.getItem('clipping.seen')") or "null")


def come_back(console: Console) -> None:
    where = console.stack.where
    console.browser.open("about:blank")
    console.browser.open(f"{where['console_url']}#key={where['api_key']}")


def test_what_finished_meanwhile_is_named_once(console: Console) -> None:
    browser, stack = console.browser, console.stack
    path = str(stack.nas_root / "table-7.mp4")
    eventually(lambda: seen(console), "the time of the last clip")
    assert browser.count(".away") == 0
    browser.open("about:blank")
    ids = [
        stack.ask(hand_id=f"meanwhile-{n}", nas_video_path=path, start_seconds=n, end_seconds=n + 1)
        for n in range(3)
    ]
    ids.append(stack.ask(hand_id="lost", nas_video_path=f"{path}.gone", start_seconds=0, end_seconds=1))
    for request_id in ids:
        stack.wait(request_id)
    come_back(console)
    eventually(lambda: browser.count(".away"), "what finished meanwhile")
    assert "Completed while you were away: 3 clips, 1 failed" in browser.text(".away")
    names = {f"meanwhile-{n}" for n in range(3)} | {"lost"}
    assert set(browser.text(".away-clips").split()) == names
    browser.click(".away-clips a.failed")
    eventually(lambda: "there is no file" in browser.text(".report .said"), "the report of the failed one")
    browser.click('.away [aria-label="Close"]')
    eventually(lambda: not browser.count(".away"), "no panel")
    # It was seen: it is not news again. What finishes while the page is shown is none either.
    stack.wait(stack.ask(hand_id="shown", nas_video_path=path, start_seconds=1, end_seconds=2))
    eventually(lambda: "shown is done" in browser.text(".toasts"), "the toast")
    come_back(console)
    eventually(lambda: browser.count(".card strong"), "the recordings")
    browser.script("location.hash = '#/clips'")
    eventually(lambda: browser.count("[data-id]"), "the clips")
    assert browser.count(".away") == 0
    [[name, _]] = seen(console)
    assert len(name) == 4
    kept = browser.script("return JSON.stringify(localStorage)")
    assert stack.where["api_key"] not in kept


def test_an_encode_that_went_on_elsewhere_says_from_where(console: Console) -> None:
    """The statuses are given to the page as its stream of events would."""
    browser = console.browser
    browser.script("location.hash = '#/clips'")
    eventually(lambda: browser.count(".dot.good"), "live events")

    def take(frame: int, count: int, name: str) -> None:
        status = {
            "request_id": "clip-20261130-000000000000",
            "kind": "clip",
            "hand_id": "long-one",
            "status": "processing",
            "stage": "cutting",
            "progress_percent": frame / 10,
            "resumed_count": count,
            "checkpoint": {
                "frame": frame,
                "total": 1000,
                "segment": 1,
                "segments": 4,
                "resumed_count": count,
            },
            "agent_id": f"nas-{count + 1}",
            "metadata": {},
            "created_at": "2026-11-30T08:00:00Z",
        }
        browser.script(
            f"import('/console/events.js').then(({{take}}) => take({json.dumps(status)}, {name!r}))"
        )

    row = '[data-id="clip-20261130-000000000000"] .state'
    take(400, 0, "checkpoint")
    eventually(lambda: "Cutting 40 %" in browser.text(row), "the row")
    assert "resumed" not in browser.text(row)
    take(505, 1, "resumed")
    eventually(lambda: "resumed from 50 %" in browser.text(row), "from where it went on")
    take(752, 1, "checkpoint")
    eventually(lambda: "Cutting 75 %" in browser.text(row), "its progress")
    assert "resumed from 50 %" in browser.text(row)


def test_an_encode_says_how_long_it_still_takes(console: Console) -> None:
    """As above; a second of the encode is a percent."""
    browser = console.browser
    browser.script("location.hash = '#/clips'")
    eventually(lambda: browser.count(".dot.good"), "live events")
    status = {
        "request_id": "clip-20261130-111111111111",
        "kind": "clip",
        "hand_id": "longer-one",
        "status": "processing",
        "stage": "cutting",
        "agent_id": "nas-1",
        "metadata": {},
        "created_at": "2026-11-30T08:00:00Z",
    }
    browser.script(
        "import('/console/events.js').then(({take}) => {"
        "  const begun = Date.now(), percent = () => 70 + (Date.now() - begun) / 1000;"
        f"  const go = () => take({{...{json.dumps(status)}, progress_percent: percent()}});"
        "  window.going = setInterval(go, 100);"
        "  go();"
        "})"
    )
    row = '[data-id="clip-20261130-111111111111"] .state'
    eventually(lambda: "Cutting 70 %" in browser.text(row), "the row")
    assert "left" not in browser.text(row)
    left = eventually(lambda: re.search(r"about (\d+) s left", browser.text(row)), "how long it takes")
    assert 20 < int(left[1]) <= 30
    browser.script("clearInterval(window.going)")
