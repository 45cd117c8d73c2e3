"""What holds for each screen: markup, window sizes, keys and outages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.axe import findings, small_targets
from tests.support.console import MARKUP, RATE, SCREENSHOTS, Console
from tests.support.screens import visit
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


def test_markup_is_text(console: Console) -> None:
    browser = console.browser
    browser.script("window.alert = () => { window.ran = true; }")
    assert MARKUP in browser.text(".grid")
    assert '"><script>alert(2)<' in browser.text(".folders")
    console.find(MARKUP)
    assert MARKUP in browser.text(".top")
    browser.press("i", ".")
    console.shows(1)
    browser.press("o")
    browser.type("#range-name", MARKUP)
    browser.click(".requests .main")
    eventually(lambda: browser.count(".error-text"), "the field's error")
    console.stack.post(hand_id="markup", nas_video_path=f"/{MARKUP}", start_seconds=0, end_seconds=1)
    body = {"nas_video_path": str(console.stack.nas_root / f"{MARKUP}.gone"), "metadata": {MARKUP: MARKUP}}
    console.stack.wait(console.stack.ask(hand_id="gone", start_seconds=0, end_seconds=1, **body))
    eventually(lambda: MARKUP in browser.text(".toasts"), "the failure's text")
    browser.type("#range-name", "fine")
    browser.script("location.hash = '#/clips'")
    failed = "[...document.querySelectorAll('[data-id]')].find((each) => each.innerText.startsWith('gone'))"
    eventually(lambda: browser.script(f"return Boolean({failed})"), "the failed clip")
    browser.script(f"{failed}.click()")
    eventually(
        lambda: browser.text(".report").count(MARKUP) == 4, "error, recording, metadata (name and value)"
    )
    assert browser.count("img:not(.poster img), script:not([src])") == 0
    assert browser.script("return window.ran") is None


def test_no_screen_is_wider_than_its_window(console: Console, tmp_path: Path) -> None:
    browser, folder = console.browser, Path(os.environ.get(SCREENSHOTS, tmp_path))
    console.find("table-7.mp4")
    for first, last, mode in ((5, 12, "Smart"), (33, 41, "Copy")):
        browser.press("+")
        console.go_to(f"00:00:{first:02}:10")
        console.shows(first * RATE + 10)
        browser.press("i")
        console.go_to(f"00:00:{last:02}:00")
        console.shows(last * RATE)
        browser.press("o")
        choice = f"[...document.querySelectorAll('[role=radio]')].find((each) => each.innerText === {mode!r})"
        browser.script(f"{choice}.click()")
        if mode == "Smart":
            browser.press("e")
            eventually(lambda: browser.count(".range .badge.good"), "the clip")
    eventually(lambda: "frames re-encoded" in browser.text(".plan p"), "the plan")
    browser.script("document.querySelector('.toast [aria-label=Close]')?.click()")
    eventually(lambda: not browser.count(".toast"), "no toast")
    browser.save_image(folder / "console-editor.png")
    wide = "return ['html', 'main'].map((each) => document.querySelector(each).scrollWidth)"
    for screen in visit(console, opened=True):
        if screen == "clips, report":
            eventually(console.media_is_loaded, "posters, and the clip's video")
            browser.save_image(folder / "console-clips.png")
        for width, height, theme in ((1440, 900, "light"), (900, 800, "dark"), (390, 844, "dark")):
            browser.appear(width, height, theme=theme, phone=width < 720)
            for _ in ("Korean", "English"):
                browser.script("document.querySelector('.rail-foot .text').click()")
                eventually(lambda width=width: max(browser.script(wide)) <= width, f"{screen}, {width} wide")
            # A page that is higher than its window loses its heading.
            assert browser.script("return document.querySelector('.top').getBoundingClientRect().top") == 0
        browser.appear(1440, 900)


def test_a_wrong_key_is_asked_for_again_and_ranges_are_kept(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    browser.press("i", "ArrowRight")
    console.shows(RATE)
    browser.press("o")
    # As after a change of the service's keys: this one is no longer known.
    browser.script("sessionStorage.setItem('clipping.key', 'no-longer-known'); location.reload()")
    eventually(lambda: browser.count(".key-form .error-text"), "the refusal")
    browser.type(".key-form input", console.stack.where["api_key"])
    browser.press("Enter")
    eventually(lambda: not browser.count(".key-form"), "the editor")
    eventually(lambda: browser.count(".range.open"), "the range")
    assert console.stack.where["api_key"] not in browser.script("return location.href")
    console.shows(RATE)


def test_the_service_may_restart_while_the_editor_is_open(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    eventually(lambda: browser.count(".dot.good"), "live events")
    with console.stack.down("api"):
        eventually(lambda: browser.count(".banner"), "the banner", within=30)
        assert "does not answer" in browser.text(".banner")
    eventually(
        lambda: not browser.count(".banner") and browser.count(".dot.good"), "live events again", within=90
    )
    console.go_to("00:00:20:00")
    console.shows(20 * RATE)
    browser.press("i", ".")
    console.shows(20 * RATE + 1)
    browser.press("o")
    browser.type("#range-name", "after-restart")
    browser.press("Enter")
    assert console.request("after-restart")["status"] == "completed"


@pytest.mark.exhaustive
def test_a_service_that_answers_nothing_is_noticed(console: Console) -> None:
    browser = console.browser
    eventually(lambda: browser.script("return Boolean(document.querySelector('.card'))"), "recordings")
    with console.stack.frozen("api"):
        # Two comments of the stream of events did not come.
        eventually(lambda: browser.count(".banner"), "the banner", within=40)
    eventually(lambda: not browser.count(".banner"), "the end of the banner", within=60)


def test_axe_finds_nothing_serious_and_targets_are_large_enough(console: Console) -> None:
    browser = console.browser
    console.sign_in(console.stack.where["admin_key"])
    console.find("table-7.mp4")
    browser.press("i", ".")
    console.shows(1)
    browser.press("o")
    path = str(console.stack.nas_root / "table-7.mp4")
    for _ in range(10):  # numbers of one digit are too short for axe to judge their colours
        console.stack.ask(
            hand_id="one-of-ten", nas_video_path=path, start_seconds=1, end_seconds=2, mode="copy"
        )
    console.cut("seen-by-axe")
    found = {}

    def look(what: str) -> None:
        # The sizes for fingers and for a mouse.
        seen = findings(browser) + small_targets(browser, 44 if phone else 24)
        if seen:
            found[f"{what}, {width} wide, {theme}"] = seen

    for width, height, phone in ((1440, 900, False), (390, 844, True)):
        for theme in ("dark", "light"):
            browser.appear(width, height, theme=theme, phone=phone, still=True)
            for screen in visit(console, opened=True):
                look(screen)
            browser.press("Escape", "?")
            eventually(lambda: browser.count(".key-groups"), "the list of keys")
            look("keys")
            browser.press("Escape")
    console.sign_in("no-longer-known", ready=".key-form .error-text")
    for theme in ("dark", "light"):
        browser.appear(width, height, theme=theme, phone=phone, still=True)
        look("the key")
    assert found == {}
