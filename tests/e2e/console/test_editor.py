"""The editor: ranges by keyboard and by mouse, and the frames of the clips."""

from __future__ import annotations

import bisect
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import pytest
import requests

from tests.support.console import RATE, Console
from tests.support.media import number_of, numbers
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


SLACK = 0.0015
"""Seconds by which a container's times may be off."""


@dataclass(frozen=True)
class Frames:
    """Of a recording, as a decoder shows them: when, their numbers, and which are keyframes."""

    times: list[float]
    numbers: list[int]
    keys: list[int]

    @classmethod
    def of(cls, path: Path) -> Self:
        with av.open(str(path)) as container:
            shown = [
                (float(frame.pts * frame.time_base), number_of(frame), frame.key_frame)
                for frame in container.decode(video=0)
                if frame.pts is not None and frame.time_base is not None
            ]
        times, numbers, keys = zip(*shown, strict=True)
        return cls([at - times[0] for at in times], list(numbers), [i for i, key in enumerate(keys) if key])

    def after(self, key: str, at: int, rate: Fraction) -> int:
        """The index of the frame that a key, or a timecode that is typed, leads to from another."""
        match key:
            case "." | ",":
                return at + (1 if key == "." else -1)
            case "ArrowRight" | "ArrowLeft":
                return self.under(self.times[at] + (1 if key == "ArrowRight" else -1))
            case "Alt+ArrowRight":
                return next(i for i in self.keys if i > at)
            case "Alt+ArrowLeft":
                return max(i for i in self.keys if i < at)
        hours, minutes, seconds, frames = map(int, key.split(":"))
        return self.under(3600 * hours + 60 * minutes + seconds + float(frames / rate))

    def under(self, second: float) -> int:
        return bisect.bisect_right(self.times, max(0.0, second) + SLACK) - 1


CASES = [
    ("table-7.mp4", "Smart", "00:00:12:13", "ArrowRight ArrowRight . . ."),
    ("table-7.mp4", "Encode", "00:00:05:00 ,", "ArrowRight , ,"),
    ("table-7.mp4", "Copy", "Alt+ArrowRight", "ArrowRight ArrowRight ."),
    ("table-7.ts", "Encode", "00:00:03:14", "ArrowRight . ."),
    ("table-7.ts", "Smart", "00:00:00:00", ". . . . . ."),
    ("table-7.ts", "Copy", "00:00:09:00 Alt+ArrowLeft", "ArrowRight . ."),
    ("ntsc.mkv", "Copy", "Alt+ArrowRight Alt+ArrowRight", "ArrowRight . . ."),
    ("ntsc.mkv", "Smart", "00:00:04:11", "ArrowRight ArrowLeft . . . ."),
    ("ntsc.mkv", "Encode", "00:00:09:00", "00:00:11:29"),
    ("fragmented.mp4", "Copy", "Alt+ArrowRight Alt+ArrowRight Alt+ArrowLeft", "ArrowRight . ."),
    ("fragmented.mp4", "Smart", "00:00:03:07", "Alt+ArrowRight , ,"),
    ("fragmented.mp4", "Encode", "00:00:11:00 ,", "00:00:11:24"),
    ("uneven.mp4", "Smart", "00:00:02:00 . .", ". . . . . . . . . ."),
    ("uneven.mp4", "Encode", "00:00:10:00 . ,", "00:00:12:00"),
    ("uneven.mp4", "Copy", "Alt+ArrowRight", ". . . . . ."),
    ("uneven.mkv", "Smart", "00:00:04:00 , ,", "ArrowRight . . ."),
    ("uneven.mkv", "Encode", "00:00:00:00", ". . . . ."),
    ("uneven.mkv", "Copy", "Alt+ArrowRight Alt+ArrowRight", ". . . . , . . ."),
    ("table-7.mp4", "Smart", "00:00:58:20", "00:00:59:24"),
    ("table-7.ts", "Encode", "00:00:59:24 , .", ""),
]
"""Recording, mode, and the keys that lead to the first frame and from there to the last one."""


@pytest.mark.sampled(slow=5)
@pytest.mark.parametrize(("name", "mode", "first_keys", "last_keys"), CASES)
def test_the_clip_has_the_frames_where_in_and_out_were_set_by_keys(
    console: Console, tmp_path: Path, name: str, mode: str, first_keys: str, last_keys: str
) -> None:
    browser, frames = console.browser, Frames.of(console.stack.nas_root / name)
    rate = Fraction(30000, 1001) if name.startswith("ntsc") else Fraction(RATE)
    hand = f"{mode}-{CASES.index((name, mode, first_keys, last_keys))}"
    console.find(name)
    at, ends = 0, []
    for keys, mark in ((first_keys, "i"), (last_keys, "o")):
        for key in keys.split():
            at = frames.after(key, at, rate)
            if ":" in key:
                console.go_to(key)
            else:
                browser.press(key)
            console.rests_at(frames.numbers[at])
        browser.press(mark)
        ends.append(at)
    first, last = ends
    browser.press("Enter")
    eventually(lambda: browser.count("#range-name:focus"), "the name's field")
    browser.type("#range-name", hand)
    browser.press("Enter")
    browser.script(
        f"[...document.querySelectorAll('[role=radio]')].find((each) => each.innerText === {mode!r}).click()"
    )
    browser.press("Shift+ArrowLeft")
    console.rests_at(frames.numbers[first])
    browser.press("Shift+ArrowRight")
    console.rests_at(frames.numbers[last])
    expected = frames.numbers[first : last + 1]
    done = console.request(hand)
    assert done["status"] == "completed", done
    path = tmp_path / "clip.mp4"
    path.write_bytes(requests.get(done["download_url"], timeout=60).content)
    assert numbers(path) == expected
    assert done["report"]["mode"] == mode.lower()


def test_the_plan_says_that_a_copy_ends_later_and_the_clip_does(console: Console, tmp_path: Path) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    for number, mark in ((250, "i"), (303, "o")):
        console.go_to(f"00:00:{number // RATE}:{number % RATE:02}")
        console.shows(number)
        browser.press(mark)
    later = "Ends 0.04 s later: its last frames need what follows them."
    eventually(lambda: browser.text(".plan strong") == later, "the plan", logs=lambda: browser.text(".plan"))
    browser.type("#range-name", "late")
    browser.press("Enter")
    done = console.request("late")
    path = tmp_path / "clip.mp4"
    path.write_bytes(requests.get(done["download_url"], timeout=60).content)
    assert numbers(path) == list(range(250, 305))
    browser.script("location.hash = '#/clips'")
    row = f'[data-id="{done["request_id"]}"]'
    eventually(lambda: browser.count(row), "the clip")
    browser.click(row)
    eventually(lambda: browser.count(".report .said p"), "the report")
    assert "It ends 0.04 s later than requested." in browser.text(".report .said")


def test_a_range_is_drawn_by_mouse_and_requested(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    taken = "Requests are taken. None is waiting."
    eventually(lambda: browser.count(".before") and browser.text(".before") == taken, "the queue")
    width = browser.script("return document.querySelector('.timeline-main').clientWidth")
    # Keyframes are ten seconds apart; the playhead stays where it is.
    browser.hover(".timeline-main", (width * 0.35, 80))
    eventually(lambda: browser.text(".hover-frame") == "00:00:20:00", "the nearest keyframe")
    seen = "document.querySelector('.hover-frame canvas').getContext('2d').getImageData(9, 9, 1, 1).data[3]"
    assert (browser.script(f"return {seen}"), console.frame, console.painted()) == (255, 0, 0)
    browser.drag(".timeline-main", (width / 6, 140), (width / 5, 140), (width / 4, 140))
    eventually(lambda: browser.count(".plan"), "the plan")
    assert "at a keyframe" in eventually(lambda: browser.text(".plan strong"))
    eventually(lambda: "frames re-encoded" in browser.text(".plan p"), "what a smart cut would cost")
    browser.script("[...document.querySelectorAll('.plan .link')].at(-1).click()")
    eventually(lambda: browser.text("[aria-label=Mode] .chosen") == "Smart", "mode Smart")
    assert browser.script("return document.querySelector('.hover-frame').hidden")
    shown = browser.script("return document.querySelector('.range.open .time').value")
    browser.type(".range.open .time", "00:00:12:00")
    browser.press("Escape")
    browser.script("(await import('/console/state.js')).update()")
    assert browser.script("return document.querySelector('.range.open .time').value") == shown
    browser.type("#range-name", "by-mouse")
    browser.click(".requests .main")
    clip = eventually(lambda: next(iter(console.clips("by-mouse")), None), "the request")
    report = console.stack.wait(clip["request_id"])["report"]
    assert report["mode"] == "smart"
    # Within a pixel of the timeline, which shows a minute; and exactly what the fields said.
    assert report["actual"]["start"] == pytest.approx(10, abs=0.1)
    assert report["actual"]["end"] == pytest.approx(15, abs=0.1)
    eventually(lambda: browser.count(".range .badge.good"), "the end in the list")
    eventually(lambda: browser.count(".range .still[data-shown]"), "its first frame in the list")
    eventually(lambda: "by-mouse is done" in browser.text(".toasts"), "the toast")


def test_a_range_that_is_opened_is_in_view_and_those_that_overlap_have_lines_of_their_own(
    console: Console,
) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    browser.press(*["+"] * 30)
    eventually(lambda: browser.count(".range") == 30, "30 ranges")
    place = "const range = document.querySelector('.range.open').getBoundingClientRect();"
    place += "const list = document.querySelector('.ranges').getBoundingClientRect();"
    eventually(
        lambda: browser.script(f"{place} return range.top >= list.top && range.bottom <= list.bottom"),
        "the last one in view",
    )
    assert browser.count(".still") == 29
    # All begin with the same frame.
    shown = f"{place} const top = (each) => each.getBoundingClientRect().top;"
    shown += "const seen = [...document.querySelectorAll('.still')].filter((each) => top(each) > list.top);"
    shown += "return [seen.length, seen.filter((each) => each.dataset.shown).length]"
    seen = browser.script(shown)[0]
    assert seen > 2
    eventually(lambda: browser.script(shown) == [seen, seen], "the first frame of each that is in view")
    # A touches B, C is within B, D is the chosen one, and overlaps with B and C.
    ends = {"A": (0, 5), "B": (5, 20), "C": (8, 15), "D": (14, 30)}
    ranges = ", ".join(
        f"{{range: {{id: '{name}', in: {start}, out: {end}}}, chosen: {str(name == 'D').lower()}}}"
        for name, (start, end) in ends.items()
    )
    lanes = browser.script(
        "return import('/console/paint.js').then(({lanesOf}) =>"
        f"  [...lanesOf([{ranges}])].map(([range, lane]) => [range.id, lane]))"
    )
    assert dict(lanes) == {"A": 0, "B": 1, "C": 2, "D": 0}


ENDED_KEY = """
    (await import("/console/state.js")).setKey("ended");
    window.said = [];
    new MutationObserver(() => {
      const message = document.querySelector(".stage-message strong")?.innerText;
      if (message && said.at(-1) !== message) said.push(message);
    }).observe(document, {subtree: true, childList: true, characterData: true});
"""
HOLD_THE_FIRST_TOKEN = """
    const {fetch} = window, held = new Promise((resolve) => { window.arrive = resolve; });
    window.asked = 0;
    window.fetch = async (url, ...rest) => {
      if (String(url).endsWith("/v1/previews/token") && !asked++) await held;
      return fetch(url, ...rest);
    };
"""
RETRIED = 5.5
"""Seconds after which an editor that could not load its recording has tried again."""


@pytest.mark.exhaustive
@pytest.mark.parametrize("answered", ["before", "after"])
def test_a_recording_is_loaded_once_with_another_key(console: Console, answered: str) -> None:
    """The call with the key before is answered before or after the other key is entered."""
    browser, script = console.browser, console.browser.script
    console.find("table-7.mp4")
    editor = console.screens()["editor"]
    console.show("recordings", ".card")
    script(ENDED_KEY)
    if answered == "after":
        script(HOLD_THE_FIRST_TOKEN)
    script(f"location.hash = {editor!r}")
    if answered == "after":
        eventually(lambda: script("return asked"), "the call")
        script("(await import('/console/state.js')).refuseKey('ended')")
    else:
        eventually(lambda: script("return said.length"), "the problem")
    eventually(lambda: browser.count(".key-form .error-text"), "the form")
    browser.type(".key-form input", console.stack.where["api_key"])
    browser.press("Enter")
    console.shows(0)
    if answered == "after":
        script("arrive()")
    loaded = time.monotonic()
    eventually(lambda: time.monotonic() > loaded + RETRIED, "the time of another try")
    assert len(script("return said")) == (answered == "before")
    assert script(
        "const {canvases} = (await import('/console/screens.js')).editor.now.timeline;"
        "return canvases.main === document.querySelector('.timeline-main')"
    )
