"""The console on an agent's port: previews come from the agent, and the rest from the API."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.preview.console import console_app
from embedded.layout import free_port
from tests.support.console import RATE, Console
from tests.support.media import shown_frames
from tests.support.served import served
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


def page_of_agent(console: Console) -> str:
    (agent,) = console.stack.where["agents"]
    return str(agent["health_url"]).removesuffix("/health") + "/console/"


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def loaded(console: Console) -> list[str]:
    """The URLs that the page has loaded from."""
    script = "return performance.getEntriesByType('resource').map((each) => each.name)"
    found: list[str] = console.browser.script(script)
    return found


def test_from_recording_to_downloaded_clip(console: Console, tmp_path: Path) -> None:
    browser, page = console.browser, page_of_agent(console)
    api = str(console.stack.where["api_url"])
    browser.devtools("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    console.sign_in(page=page)
    browser.script("performance.setResourceTimingBufferSize(5000)")
    console.find("table-7.mp4")
    assert "over the LAN" in browser.text(".top .badge.good")
    assert "comes from the agent" in browser.script("return document.querySelector('.top .badge.good').title")
    for second in (40, 8, 25):
        console.go_to(f"00:00:{second:02}:05")
        console.shows(second * RATE + 5)
    browser.press("i")
    browser.press("ArrowRight")
    console.shows(26 * RATE + 5)
    browser.press("o")
    browser.type("#range-name", "over-the-lan")
    browser.script(
        "[...document.querySelectorAll('[role=radio]')].find((each) => each.innerText === 'Smart').click()"
    )
    eventually(lambda: "frames re-encoded" in browser.text(".plan p"), "the plan")
    browser.press("Escape")
    assert console.request("over-the-lan")["status"] == "completed"
    eventually(lambda: "over-the-lan is done" in browser.text(".toasts"), "live events")
    browser.script("location.hash = '#/clips'")
    row = (
        "[...document.querySelectorAll('[data-id]')].find((each) => each.innerText.includes('over-the-lan'))"
    )
    eventually(lambda: browser.script(f"return Boolean({row})"), "the clip")
    browser.script(f"{row}.click()")
    eventually(console.media_is_loaded, "poster and video, which the API has")
    browser.script("document.querySelector('.report .main').click()")
    clip = eventually(lambda: next(tmp_path.glob("*.mp4"), None), "the file")
    eventually(lambda: not list(tmp_path.glob("*.crdownload")), "all of the file")
    numbers = [number for _, number in shown_frames(clip)]
    assert (numbers[0], numbers[-1]) == (25 * RATE + 5, 26 * RATE + 5)

    urls = loaded(console)
    previews = [url for url in urls if "/preview/v1/" in url]
    assert {"window.mp4", "strip.jpg", "plan"} <= {urlsplit(url).path.split("/")[-1] for url in previews}
    assert {origin(url) for url in previews} == {origin(page)}
    calls = [url for url in urls if "/v1/" in url and "/preview/v1/" not in url]
    assert {origin(url) for url in calls} == {origin(api)}
    assert {origin(url) for url in urls if not url.startswith("blob:")} == {origin(page), origin(api)}


def test_through_the_api_it_says_so(console: Console) -> None:
    console.find("table-7.mp4")
    badge = "const badge = document.querySelector('.top .badge.good'); return [badge.innerText, badge.title]"
    text, why = console.browser.script(badge)
    assert "through the API" in text
    assert "passes on" in why


def test_what_is_said_of_each_way(console: Console) -> None:
    cases = "[{playable: 'copy'}, {playable: 'proxy'}, {playable: 'audio'}, {playable: 'none'}]"
    script = (
        "return import('/console/path.js').then(({pathInUse}) => "
        f"{cases}.map((recording) => pathInUse({{recording}}).text))"
    )
    said = {}
    for way, page in (("LAN", page_of_agent(console)), ("API", console.stack.where["console_url"])):
        console.browser.open(page)
        said[way] = console.browser.script(script)
    assert said["LAN"][:2] == ["Playing the original, over the LAN", "Playing small copies, over the LAN"]
    assert said["API"][:2] == [
        "Playing the original, through the API",
        "Playing small copies, through the API",
    ]
    assert said["LAN"][2:] == said["API"][2:] == ["Audio only", "Not playable"]


def test_the_key_stays_in_the_tab_and_a_wrong_one_is_refused(console: Console) -> None:
    browser, page = console.browser, page_of_agent(console)
    console.sign_in(page=page)
    key = console.stack.where["api_key"]
    assert key not in browser.script("return location.href")
    assert browser.script("return [document.cookie, JSON.stringify(localStorage)].join()").count(key) == 0
    browser.script("sessionStorage.setItem('clipping.key', 'wrong'); location.reload()")
    eventually(lambda: browser.count(".key-form .error-text"), "the refusal")


@pytest.mark.sampled(slow=2)
@pytest.mark.parametrize("case", ["nothing answers", "not in cors_origins"])
def test_a_wrong_api_url_is_named(console: Console, case: str) -> None:
    api = (
        str(console.stack.where["api_url"])
        if case != "nothing answers"
        else f"http://127.0.0.1:{free_port()}"
    )
    with served(console_app(api, "nas-9")) as page:
        browser = console.browser
        browser.open(f"{page}/console/#key=any")
        eventually(lambda: browser.count(".banner"), "the banner", within=60)
        banner = eventually(lambda: api in browser.text(".banner") and browser.text(".banner"), "its text")
        if case == "nothing answers":
            assert "does not answer" in banner
            assert "preview.api_url of the agent nas-9" in banner
        else:
            assert "does not let this page call it" in banner
            assert f"add {origin(page)} to its api.cors_origins" in banner
        browser.appear(390, 844, phone=True)
        wide = "return document.documentElement.scrollWidth"
        eventually(lambda: browser.script(wide) == 390, "no more than the window")
        browser.open("about:blank")
        browser.log()
