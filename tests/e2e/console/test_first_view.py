"""What the console loads at first, and how many connections it keeps."""

from __future__ import annotations

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MOST_BYTES = 150_000
LOADED = """
    const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    return all.map(({name, transferSize, encodedBodySize}) => [name, transferSize && encodedBodySize]);
"""


def test_the_first_view_is_small_and_comes_from_the_service_alone(console: Console) -> None:
    browser, url = console.browser, console.stack.where["api_url"]
    browser.open("about:blank")
    browser.devtools("Network.clearBrowserCache", {})
    browser.open(console.stack.where["console_url"])
    eventually(lambda: browser.count(".card .tile"), "a recording with its frames")
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


def test_more_tabs_than_a_browser_has_connections_all_work(console: Console) -> None:
    """Chromium opens six to one host over HTTP/1.1, and each tab that is seen keeps one for its events."""
    browser, front, tabs = console.browser, console.browser.tab(), []
    try:
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
    finally:
        for tab in tabs:
            browser.switch(tab)
            browser.close_tab()
        browser.switch(front)
