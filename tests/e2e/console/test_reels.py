"""Reels: parts are chosen, ordered by mouse and by keyboard, requested, and are in the file in that order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.console import MARKUP, RATE, Console
from tests.support.media import numbers
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

RANGES = {"ace": (3, 4.2), "king": (20, 21), "queen": (41, 42.48)}
"""Of clips of `table-7.mp4`, in seconds."""


def frames(name: str) -> list[int]:
    start, end = RANGES[name]
    return list(range(round(start * RATE), round(end * RATE)))


def make_clips(console: Console, **over: Any) -> None:
    """Clips as the editor requests them."""
    path = str(console.stack.nas_root / "table-7.mp4")
    for name, (start, end) in RANGES.items():
        noted = {"recording": path, "in": str(start), "out": str(end), "mode": "smart"}
        console.stack.ask(
            hand_id=name,
            nas_video_path=path,
            start_seconds=start,
            end_seconds=end,
            mode="smart",
            metadata=noted,
            **over,
        )


def choose(console: Console, *names: str) -> None:
    """Tick the newest clips of these names in the list, and make a reel of them."""
    browser = console.browser
    browser.script("location.hash = '#/clips'")
    for name in names:
        box = f'[data-id] [aria-label="Choose {name}"]'
        eventually(lambda box=box: browser.count(box), name)
        browser.click(box)
    eventually(lambda: f"of {len(names)}" in browser.text(".to-reel"), "the button")
    browser.click(".to-reel")
    eventually(lambda: browser.count(".reel-part") == len(names), "the parts")


def order(console: Console) -> list[str]:
    found: list[str] = console.browser.script(
        "return [...document.querySelectorAll('.reel-part .part-name strong')].map((each) => each.innerText)"
    )
    return found


def request(console: Console, name: str) -> dict[str, Any]:
    """Click the button and wait for the reel."""
    console.browser.type("#reel-name", name)
    console.browser.click("#request-reel")
    reel = eventually(lambda: next(iter(console.clips(name)), None), f"the request {name}")
    done = console.stack.wait(reel["request_id"])
    assert done["status"] == "completed", done
    return done


def shown(done: dict[str, Any], tmp_path: Path) -> list[int]:
    path = tmp_path / "reel.mp4"
    path.write_bytes(requests.get(done["download_url"], timeout=60).content)
    return numbers(path)


def test_a_reel_has_the_parts_in_the_order_of_mouse_and_keyboard(console: Console, tmp_path: Path) -> None:
    browser = console.browser
    make_clips(console)
    choose(console, "ace", "king", "queen")
    assert order(console) == ["ace", "king", "queen"]
    # By mouse: the last one to the first place. By keyboard: the one that is second now, down.
    top, bottom = browser.script(
        "const rows = [...document.querySelectorAll('.reel-part')].map((row) => row.getBoundingClientRect());"
        "const [first, , last] = rows;"
        "return [first.top - last.top, last.height / 2]"
    )
    browser.drag(".reel-part:nth-child(3) .part-grip", (10, 20), (10, 10), (10, top + bottom), (10, top + 4))
    eventually(lambda: order(console) == ["queen", "ace", "king"], "the order by mouse")
    browser.script("document.querySelector('.reel-part:nth-child(2)').focus()")
    browser.press("Alt+ArrowDown")
    eventually(lambda: order(console) == ["queen", "king", "ace"], "the order by keyboard")
    eventually(
        lambda: "ace is part 3 of 3" in browser.script("return document.querySelector('.unseen').textContent")
    )
    assert browser.script(
        "return document.activeElement.dataset.part && document.activeElement.innerText"
    ).count("ace")
    # A title and another out-point for the first part.
    browser.click('[aria-label="Change queen"]')
    browser.type(".part-fields input", "The flush")
    out = ".part-fields label:nth-child(3) input"
    value = f"return document.querySelector({out!r}).value"
    before = browser.script(value)
    browser.type(out, "00:00:59:00")
    browser.press("Escape")
    eventually(lambda: browser.script(value) == before, "what was there before")
    browser.type(out, "00:00:42:00")
    browser.press("Enter")
    eventually(lambda: browser.text(".reel-part:nth-child(1) .part-long") == "1.0 s", "the new length")
    eventually(lambda: "3 parts, 3.2 s long." in browser.text(".plan"), "what it will be")
    done = request(console, "best-of")
    expected = [*range(41 * RATE, 42 * RATE), *frames("king"), *frames("ace")]
    assert shown(done, tmp_path) == expected
    assert json.loads(done["metadata"]["titles"]) == ["The flush", "king", "ace"]
    eventually(lambda: browser.count(".reel-parts .badge.good") == 3, "the end of each part")
    # The player goes to a part.
    eventually(
        lambda: browser.script("return document.querySelector('.reel-report video')?.readyState > 0"),
        "the reel",
    )
    browser.click('[aria-label="Play from king"]')
    eventually(
        lambda: browser.script("return document.querySelector('.reel-report video').currentTime >= 1"),
        "its time",
    )
    # The same parts again, in another reel.
    browser.script("document.querySelector('.reel-report video').pause()")
    browser.click(".reel-parts .button")
    eventually(lambda: order(console) == ["The flush", "king", "ace"], "the parts")


def test_a_refused_part_says_so_in_its_row(console: Console, tmp_path: Path) -> None:
    browser = console.browser
    make_clips(console)
    choose(console, "ace", "king")
    browser.click('[aria-label="Change king"]')
    # The frames of the first part: the service refuses an overlap, unless it is meant.
    browser.type(".part-fields label:nth-child(2) input", "00:00:04:00")
    browser.press("Enter")
    eventually(lambda: browser.text(".reel-part:nth-child(2) .part-long") == "17.0 s", "the new length")
    browser.type("#reel-name", "overlaps")
    browser.click("#request-reel")
    eventually(lambda: browser.count(".reel-part.wrong"), "the refusal")
    assert browser.count(".reel-part:nth-child(2).wrong .error-text") == 1
    assert "Part 2 overlaps part 1" in browser.text(".reel-part:nth-child(2) .error-text")
    browser.script("document.querySelectorAll('.reel-options .check input')[2].click()")
    browser.type(".part-fields label:nth-child(3) input", "00:00:05:00")
    browser.press("Enter")
    eventually(lambda: browser.text(".reel-part:nth-child(2) .part-long") == "1.0 s", "the new length")
    assert shown(request(console, "replay"), tmp_path) == [*frames("ace"), *range(4 * RATE, 5 * RATE)]


@pytest.mark.exhaustive
def test_what_a_reel_will_be_is_read_again_once_the_agent_is_back(console: Console) -> None:
    browser = console.browser
    make_clips(console)
    with console.stack.down("agent-1"):
        choose(console, "ace", "king")
        calls = "performance.getEntriesByType('resource').filter(({name}) => name.endsWith('/clip/plan'))"
        eventually(lambda: browser.script(f"return {calls}.length") > 5, "a plan to be given up", within=120)
        assert "Exact to the frame." not in browser.text(".plan")
    eventually(lambda: "Exact to the frame." in browser.text(".plan"), "the plan", within=120)


@pytest.mark.exhaustive
def test_names_are_text_and_it_fits_a_phone_in_korean(console: Console) -> None:
    browser = console.browser
    make_clips(console)
    choose(console, "ace", "king")
    browser.click('[aria-label="Change ace"]')
    browser.type(".part-fields input", MARKUP)
    eventually(lambda: order(console)[0] == MARKUP, "the title")
    browser.type("#reel-name", MARKUP)
    browser.click("#request-reel")
    eventually(lambda: browser.count(".reel-options .error-text"), "the refusal of the name")
    request(console, "marked")
    eventually(lambda: MARKUP in browser.text(".reel-parts"), "the title in the list")
    browser.click(".reel-parts .button")
    eventually(lambda: browser.count(".reel-part") == 2, "the parts")
    for width, height in ((1440, 900), (900, 800), (390, 844)):
        browser.appear(width, height, phone=width < 720)
        for title in ("릴", "Reels"):
            browser.script("document.querySelector('.rail-foot .text').click()")
            eventually(lambda title=title: browser.text("h1") == title, title)
            wide = "(each) => document.querySelector(each).scrollWidth"
            wide = f"return ['html', 'main', '.reels', '.made'].map({wide})"
            assert max(browser.script(wide)) <= width
    assert browser.script("return window.ran") is None
    assert browser.count("script:not([src])") == 0
