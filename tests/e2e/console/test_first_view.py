"""What the console loads at first, and how many connections it keeps."""

from __future__ import annotations

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

MOST_BYTES = 150_000
LOADED = """
    const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    const strips = all.filter(({name}) => name.includes('strip.jpg'));
    const shown = Math.min(...strips.map((each) => each.responseEnd));
    return all.filter((each) => each.startTime < shown)
      .map(({name, transferSize, encodedBodySize}) => [name, transferSize && encodedBodySize]);
"""
"""What is loaded until frames of a recording are there: the other screens' files come later."""
LATER = "statistics.js"
"""A file that one screen alone needs."""


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_first_view_is_small_and_comes_from_the_service_alone(console: Console, language: str) -> None:
    browser, url = console.browser, console.stack.where["api_url"]
    browser.script(f"localStorage.setItem('clipping.language', JSON.stringify({language!r}))")
    browser.open("about:blank")
    browser.devtools("Network.clearBrowserCache", {})
    browser.open(console.stack.where["console_url"])
    eventually(lambda: browser.count(".card .tile"), "a recording with its frames")
    assert browser.script("return document.documentElement.lang") == language
    loaded = [(name, size) for name, size in browser.script(LOADED) if not name.startswith("blob:")]
    assert [name for name, _ in loaded if not name.startswith(f"{url}/")] == []
    # Compressed, without headers. Answers and frames are as large as clips and recordings are many.
    page = [size for name, size in loaded if name.startswith(f"{url}/console/")]
    calls = [
        size for name, size in loaded if not name.startswith(f"{url}/console/") and "strip.jpg" not in name
    ]
    print(f"{len(page)} files of {sum(page):,} bytes, {len(calls)} calls of {sum(calls):,} bytes")
    assert all(page)  # none from a cache
    assert sum(page) < MOST_BYTES


def test_a_screen_whose_files_cannot_be_loaded_says_so_until_they_can(console: Console) -> None:
    browser = console.browser
    browser.open("about:blank")
    browser.devtools("Network.enable", {})
    browser.devtools("Network.setBlockedURLs", {"urls": [f"*/{LATER}"]})
    try:
        browser.open(console.stack.where["console_url"] + "#/statistics")
        eventually(lambda: browser.count(".empty .button"), "that the screen cannot be loaded")
        assert "This screen cannot be loaded now" in browser.text(".empty")
        browser.script("location.hash = '#/clips'")
        eventually(lambda: browser.text("main h1") == "Clips", "another screen")
        browser.script("location.hash = '#/statistics'")
        eventually(lambda: browser.count(".empty .button"), "that it still cannot be loaded")
    finally:
        browser.devtools("Network.setBlockedURLs", {"urls": []})
    browser.click(".empty .button")
    eventually(lambda: browser.count(".page h1") and browser.text("h1") == "Statistics", "the statistics")


def test_pages_that_were_left_keep_no_connection_and_go_on_where_they_were(console: Console) -> None:
    """Browsers keep pages for "back", and have six connections to a host for all of them."""
    browser, page = console.browser, console.stack.where["console_url"]
    for number in range(8):
        browser.open("about:blank")
        browser.open(f"{page}#/clips")
        eventually(lambda: "Live" in browser.text(".top"), f"live events after {number} others")
        unsent = "return performance.getEntriesByType('resource').filter((each) => !each.requestStart).length"
        assert browser.script(unsent) == 0

    def is_kept() -> bool:
        browser.script("window.kept = 1")
        browser.open("about:blank")
        browser.script("history.back()")
        eventually(lambda: "Live" in browser.text(".top"), "the page that was left")
        return bool(browser.script("return window.kept === 1"))

    # Browsers may give up a page, such as for its memory, and load it again then.
    why = "return JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)"
    assert any(is_kept() for _ in range(3)), browser.script(why)
    console.cut("after-going-back")
    eventually(lambda: "after-going-back" in browser.text("main"), "live events again")
    assert not browser.count(".banner")


@pytest.mark.exhaustive
def test_more_tabs_than_a_browser_has_connections_all_work(console: Console) -> None:
    """Chromium opens six to one host over HTTP/1.1, and each tab that is seen keeps one for its events."""
    browser, tabs = console.browser, []
    with browser.further_tabs():
        for number in range(8):
            tabs.append(browser.add_tab())
            browser.switch(tabs[-1])
            browser.open(f"{console.stack.where['console_url']}#key={console.stack.where['api_key']}")
            eventually(lambda: browser.count(".card strong"), f"the recordings in tab {number}")
        browser.switch(tabs[0])
        console.cut("unseen")
        # Live, as it was when it was left.
        browser.script("location.hash = '#/clips'")
        eventually(lambda: "unseen" in browser.text("main"), "the clip in the first tab")
        assert "Live" in browser.text(".top")
