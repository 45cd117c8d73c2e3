"""What users see in each screen while a part of the service is away, and that it recovers by itself."""

from __future__ import annotations

import pytest

from tests.support.console import Console
from tests.support.proxy import TcpProxy
from tests.support.screens import ready
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


def test_each_screen_says_that_the_service_is_away_and_recovers(console: Console) -> None:
    browser, url = console.browser, console.stack.where["console_url"]
    api = console.stack.where["api_url"].removeprefix("http://")
    console.cut("before-outages")  # the list of clips has a row
    with TcpProxy(api) as proxy:
        browser.open("about:blank")
        browser.open(url.replace(api, proxy.host_port) + f"#key={console.stack.where['api_key']}")
        eventually(lambda: browser.count(".card strong"), "the recordings")
        console.find("table-7.mp4")
        browser.script("window.loaded = 1")
        for screen, address in console.screens().items():
            browser.script(f"location.hash = {address!r}")
            eventually(lambda screen=screen: browser.count(ready(screen)), screen)
            proxy.refuse()
            eventually(lambda: browser.count(".banner"), f"the banner in {screen}")
            assert "does not answer" in browser.text(".banner")
            assert console.shows_something()
            proxy.restore()
            browser.click(".banner .button")
            eventually(lambda: not browser.count(".banner"), f"the end of the banner in {screen}")
            eventually(lambda screen=screen: browser.count(ready(screen)), f"{screen} afterwards")
        assert browser.script("return window.loaded") == 1
        browser.open("about:blank")


@pytest.mark.exhaustive
def test_each_screen_outlives_the_agent(console: Console) -> None:
    console.find("table-7.mp4")
    with console.stack.down("agent-1"):
        row = request_what_waits(console, "agent-away")
        console.browser.script("location.hash = '#/recordings'")
        eventually(lambda: "cannot be listed" in console.browser.text("main"), "what is wrong")
    assert_all_is_back(console, row)


def test_each_screen_outlives_the_store(console: Console) -> None:
    console.find("table-7.mp4")
    store, aside = console.stack.data / "store", console.stack.data / "store-away"
    store.rename(aside)
    store.touch()  # a folder would be made again
    try:
        row = request_what_waits(console, "store-away")
    finally:
        store.unlink()
        aside.rename(store)
    assert_all_is_back(console, row)


def request_what_waits(console: Console, name: str) -> str:
    """Request a clip that cannot be made meanwhile, and visit each screen; the selector of the clip's row."""
    browser, path = console.browser, str(console.stack.nas_root / "table-7.mp4")
    browser.script("window.loaded = 1")
    waits = console.stack.ask(hand_id=name, nas_video_path=path, start_seconds=1, end_seconds=2)
    for screen, address in console.screens().items():
        browser.script(f"location.hash = {address!r}")
        eventually(console.shows_something, screen)
        assert not browser.count(".banner"), screen  # the service answers
    row = f'[data-id="{waits}"]'
    browser.script("location.hash = '#/clips'")
    eventually(lambda: browser.count(row), "the clip that waits")
    assert not browser.count(f"{row} .badge.good")
    return row


def assert_all_is_back(console: Console, row: str) -> None:
    browser = console.browser
    eventually(lambda: browser.count(f"{row} .badge.good, .card strong"), "this screen", within=90)
    for screen, address in console.screens().items():
        browser.script(f"location.hash = {address!r}")
        eventually(lambda screen=screen: browser.count(ready(screen)), f"{screen} afterwards", within=90)
    browser.script("location.hash = '#/clips'")
    eventually(lambda: browser.count(f"{row} .badge.good"), "the clip afterwards", within=90)
    assert browser.script("return window.loaded") == 1


@pytest.mark.exhaustive
def test_the_editor_reads_plan_and_frames_again_once_the_agent_is_back(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    with console.stack.down("agent-1"):
        browser.press("+", "+", ".")
        console.shows(1)
        browser.press("o")
        for call in ("/clip/plan", "/still.jpg"):
            calls = f"performance.getEntriesByType('resource').filter(({{name}}) => name.includes({call!r}))"
            eventually(lambda calls=calls: browser.script(f"return {calls}.length") > 4, call, within=120)
        assert browser.count(".still") == 1
        assert not browser.count(".still[data-shown]")
        assert "kB" not in browser.text(".plan")
    eventually(lambda: browser.count(".still[data-shown]"), "the frame in the list", within=120)
    eventually(
        lambda: "kB" in browser.text(".plan"), "the plan", within=120, logs=lambda: browser.text(".plan")
    )
