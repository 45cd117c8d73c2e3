"""The player of the editor: playing, jumping, and being left, whatever is still loading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.console import RATE, Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


def test_it_plays_across_windows_and_keyframes(console: Console) -> None:
    console.find("table-7.mp4")
    console.go_to("00:00:09:00")
    console.shows(9 * RATE)
    console.browser.press("l")
    eventually(lambda: console.painted() > 11 * RATE, "two seconds of video", logs=console.seen)
    console.browser.press("k")
    eventually(lambda: console.frame == console.painted(), "rest", logs=console.seen)
    console.browser.press(",")
    eventually(lambda: console.frame == console.painted(), "the frame before", logs=console.seen)
    at, editor = console.frame, console.screens()["editor"]
    console.show("recordings", ".card")
    console.browser.script(f"location.hash = {editor!r}")
    console.shows(at)


PLAYER = "const {player} = (await import('/console/screens.js')).editor.now;"
COUNT_STARTS = """
    const {play} = HTMLMediaElement.prototype;
    window.starts = 0;
    HTMLMediaElement.prototype.play = function () { starts++; return play.call(this); };
"""
HOLD = """
    const {fetch} = window, held = new Promise((resolve) => { window.arrive = resolve; });
    window.fetch = async (url, ...rest) => {
      if (String(url).includes("/window.mp4")) await held;
      return fetch(url, ...rest);
    };
"""
BACK_AND_STOP = """
    const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    press("j");
    await null; // the page is drawn
    press("k");
"""


@contextmanager
def video_held(console: Console) -> Iterator[None]:
    """What the player loads arrives only afterwards."""
    script = console.browser.script
    eventually(
        lambda: script(f"{PLAYER} return !player.busy && !player.reading"), "the end of what is loaded"
    )
    script(HOLD)
    yield
    script("arrive()")


def test_reading_ahead_gives_way_to_a_jump(console: Console) -> None:
    """What it reads for the place before would drop from the buffer what was loaded for the jump."""
    console.find("table-7.mp4")
    player = f"{PLAYER} const {{parts}} = player;"
    console.browser.script(
        f"""
        {player}
        const around = parts.around.bind(parts);
        parts.around = async (t) => {{
          const found = await around(t);
          await new Promise((go) => {{ window.go = go; }});
          return found;
        }};
        """
    )
    console.go_to("00:00:25:00")
    console.shows(25 * RATE)
    eventually(lambda: console.browser.script("return Boolean(window.go)"), "reading ahead")
    read = (
        "performance.getEntriesByType('resource').filter(({name}) => name.includes('window.mp4'))"
        ".map(({name}) => Number(new URL(name).searchParams.get('t')))"
    )
    console.browser.script(
        f"{player} delete parts.around; window.before = {read}.length; player.seek(45); go()"
    )
    console.shows(45 * RATE)
    after = console.browser.script(f"return {read}.slice(window.before)")
    assert after
    assert min(after) > 40


def test_what_is_pressed_last_counts_while_the_video_loads(console: Console) -> None:
    browser, script = console.browser, console.browser.script
    console.find("table-7.mp4")
    script(COUNT_STARTS)

    def readout() -> int:
        return int(script("return document.querySelector('.frame').innerText.replace(/\\D/g, '')"))

    def is_paused() -> bool:
        """As the button says, too."""
        button, paused = script(
            "return [document.querySelector('.play').ariaLabel, document.querySelector('video').paused]"
        )
        return bool(paused) and button == "Play"

    loaded = script("return document.querySelector('video').buffered.end(0)")
    with video_held(console):
        browser.press("Space", "Space")
    eventually(
        lambda: script("return document.querySelector('video').buffered.end(0)") > loaded, "the next window"
    )
    assert is_paused()
    with video_held(console):
        browser.press("Space", "Space", "Space")
    eventually(lambda: readout() > RATE // 2, "half a second of video", logs=console.seen)
    assert script("return starts") == 1  # for the last one that was pressed
    console.go_to("00:00:40:00")  # a keyframe: what is before is not loaded
    console.shows(40 * RATE)
    with video_held(console):
        browser.press("j")
        eventually(lambda: browser.count(".frame.busy"), "the first step back")
        browser.press("j")
    eventually(lambda: readout() < 39 * RATE, "one second back", logs=console.seen)
    console.go_to("00:00:30:00")
    console.shows(30 * RATE)
    with video_held(console):
        browser.press("j")
        eventually(lambda: browser.count(".frame.busy"), "the first step back")
        browser.press("l")
    eventually(lambda: readout() > 31 * RATE, "one second on", logs=console.seen)
    width = script("return document.querySelector('.timeline-main').clientWidth")
    with video_held(console):
        browser.drag(".timeline-main", (width * 52 / 60, 10))
        browser.press("Space")
    eventually(lambda: readout() > 53 * RATE, "a second from the place of the click", logs=console.seen)
    browser.press("k")
    eventually(lambda: is_paused() and console.frame == console.painted(), "rest", logs=console.seen)
    script(BACK_AND_STOP)
    assert is_paused()


LEAVE = """
    window.lost = [];
    addEventListener("unhandledrejection", ({reason}) => lost.push(String(reason)));
    window.leave = () => {
      location.hash = "#/recordings";
      dispatchEvent(new HashChangeEvent("hashchange")); // the browser's own one comes later
      setTimeout(() => { window.left = true; });
    };
"""
PLAY_FROM_A_MOVED_EDGE = """
    const press = (element, key) => element.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    press(document.querySelector(".slider[aria-label$=in-point]"), "ArrowRight");
    press(document.body, " ");
"""


def test_a_recording_that_is_left_while_its_video_opens_or_moves_leaves_no_error(console: Console) -> None:
    browser, script = console.browser, console.browser.script
    console.find("table-7.mp4")
    editor = console.screens()["editor"]
    script(LEAVE)
    browser.press("i")
    eventually(lambda: browser.count(".slider[aria-label$=in-point]"), "the handle")
    script(f"{PLAY_FROM_A_MOVED_EDGE} leave()")
    eventually(lambda: script("return Boolean(window.left)"), "the recording to be left")
    script(
        f"""
        window.left = false;
        new MutationObserver((_, observer) => {{
          if (!document.querySelector("video[src]")) return;
          observer.disconnect();
          leave();
        }}).observe(document, {{subtree: true, childList: true, attributeFilter: ["src"]}});
        location.hash = {editor!r};
        """
    )
    eventually(lambda: script("return Boolean(window.left)"), "the recording to be left again")
    # Another time, while the recording is read.
    script(f"location.hash = '{editor}?t=5'; setTimeout(() => {{ location.hash = '{editor}?t=10'; }})")
    console.shows(250)
    assert script("return lost") == []
