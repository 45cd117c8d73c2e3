"""The web console in a real browser, against the running stack: by keyboard and by mouse."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import browser as browsers
from tests.support.browser import Browser
from tests.support.media import Recording, make, shown_frames
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SECONDS, RATE = 60, 25
MARKUP = "<img src=x onerror=alert(1)>"
SCREENSHOTS = "CLIPPING_SCREENSHOTS"
"""The environment variable with a folder for the pages' images: `docs/images`."""


class Console:
    """The console in a browser, as a user of one stack sees it."""

    def __init__(self, browser: Browser, stack: RunningStack) -> None:
        self.browser, self.stack = browser, stack

    def sign_in(self) -> None:
        """As in a new tab."""
        self.browser.open(self.stack.where["console_url"])
        self.browser.script("sessionStorage.clear(); localStorage.clear()")
        self.browser.open("about:blank")
        self.browser.open(f"{self.stack.where['console_url']}#key={self.stack.where['api_key']}")
        eventually(lambda: self.browser.count(".card strong"), "the recordings")

    def find(self, name: str) -> None:
        """Open a recording of the first folder in the editor."""
        card = f"[...document.querySelectorAll('.card')].find((each) => each.innerText.includes({name!r}))"
        eventually(lambda: self.browser.script(f"return Boolean({card})"), name)
        self.browser.script(f"{card}.click()")
        eventually(lambda: self.browser.count(".play"), "the player")
        self.shows(0)

    @property
    def frame(self) -> int:
        """The number of the frame that the player says it shows, once it rests."""
        if self.browser.count(".frame.busy") or not self.browser.count(".frame"):
            return -1
        return int(re.sub(r"\D", "", self.browser.text(".frame")))

    def shows(self, number: int) -> None:
        """Wait for this frame, in the readout and in what is painted."""
        eventually(
            lambda: self.frame == number and self.painted() == number, f"frame {number}", logs=self.seen
        )

    def painted(self) -> int:
        """The number in the frame that the video shows."""
        return int(
            self.browser.script(
                "const video = document.querySelector('video'), canvas = document.createElement('canvas');"
                "[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];"
                "if (!canvas.width) return -1;"
                "const context = canvas.getContext('2d'); context.drawImage(video, 0, 0); let number = 0;"
                "for (let bit = 0; bit < 16; bit++) {"
                "  const x = (bit + 0.5) * canvas.width / 16, y = canvas.height - 10;"
                "  const [light] = context.getImageData(x, y, 1, 1).data;"
                "  if (light > 128) number |= 1 << bit; } return number;"
            )
        )

    def media_is_loaded(self) -> bool:
        return bool(
            self.browser.script(
                "const posters = [...document.querySelectorAll('.poster img')];"
                "return posters.length && posters.every((each) => each.naturalWidth)"
                " && document.querySelector('.report video').readyState"
            )
        )

    def seen(self) -> str:
        return f"; readout {self.frame}, painted {self.painted()}, log {self.browser.log()}"

    def go_to(self, timecode: str) -> None:
        self.browser.press("g")
        eventually(lambda: self.browser.count("input.timecode:focus"), "the field for a time")
        self.browser.press(*timecode, "Enter")

    def request(self, name: str) -> dict[str, Any]:
        """Press E and wait for the clip."""
        self.browser.press("e")
        clip = eventually(lambda: next(iter(self.clips(name)), None), f"the request {name}")
        done = self.stack.wait(clip["request_id"])
        eventually(
            lambda: self.browser.count(".range .badge.good, .range .badge.error"), "the end in the list"
        )
        return done

    def clips(self, name: str) -> list[dict[str, Any]]:
        url = f"{self.stack.where['api_url']}/v1/clips"
        found: list[dict[str, Any]] = self.stack.session.get(
            url, params={"hand_id": name}, timeout=30
        ).json()["clips"]
        return found


@pytest.fixture(scope="module")
def shown_nas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nas") / "broadcast" / "2026-11-20"
    root.mkdir(parents=True)
    for extension, gop in (("mp4", 250), ("ts", 50)):
        path = make(Recording(extension=extension, seconds=SECONDS, gop=gop))
        shutil.copy(path, root / f"table-7.{extension}")
    shutil.copy(root / "table-7.mp4", root / f"{MARKUP}.mp4")
    (root / "below").mkdir()
    shutil.copy(root / "table-7.mp4", root / "below" / "deep-stack.mp4")
    (root / '"><script>alert(2)<').mkdir()
    return root


@pytest.fixture(scope="module")
def desk(shown_nas: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    if (what := browsers.missing()) is not None:
        pytest.skip(what)
    with RunningStack(tmp_path_factory.mktemp("desk") / "data", shown_nas, agents=1) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser(desk: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def console(desk: RunningStack, browser: Browser) -> Iterator[Console]:
    browser.appear(1440, 900)
    console = Console(browser, desk)
    console.sign_in()
    yield console
    errors = [line for line in browser.log() if "Uncaught" in line or "Content Security Policy" in line]
    assert errors == []


def frames_of(done: dict[str, Any], tmp_path: Path) -> list[int]:
    path = tmp_path / "clip.mp4"
    path.write_bytes(requests.get(done["download_url"], timeout=60).content)
    return [number for _, number in shown_frames(path)]


@pytest.mark.parametrize(
    ("extension", "mode", "first", "last"), [("mp4", "Smart", 313, 366), ("ts", "Encode", 89, 116)]
)
def test_the_clip_has_the_frames_where_in_and_out_were_set_by_keys(
    console: Console, tmp_path: Path, extension: str, mode: str, first: int, last: int
) -> None:
    browser, name = console.browser, f"{mode.lower()}-{first}"
    console.find(f"table-7.{extension}")
    start, rest = divmod(first, RATE)
    console.go_to(f"00:00:{start:02}:{rest:02}")
    console.shows(first)
    browser.press("i")
    # The last frame by seconds and single frames.
    seconds, frames = divmod(last - first, RATE)
    for step in range(seconds):
        browser.press("ArrowRight")
        console.shows(first + (step + 1) * RATE)
    for step in range(frames):
        browser.press(".")
        console.shows(first + seconds * RATE + step + 1)
    browser.press("o")
    browser.press("Enter")
    eventually(lambda: browser.count("#range-name:focus"), "the name's field")
    browser.type("#range-name", name)
    browser.press("Enter")
    browser.script(
        f"[...document.querySelectorAll('[role=radio]')].find((each) => each.innerText === {mode!r}).click()"
    )
    browser.press("Shift+ArrowLeft")
    console.shows(first)
    browser.press("Shift+ArrowRight")
    console.shows(last)
    done = console.request(name)
    assert done["status"] == "completed", done
    frames_cut = frames_of(done, tmp_path)
    assert (frames_cut[0], frames_cut[-1], len(frames_cut)) == (first, last, last - first + 1)


def test_a_range_is_drawn_by_mouse_and_requested(console: Console) -> None:
    browser = console.browser
    console.find("table-7.mp4")
    width = browser.script("return document.querySelector('.timeline-main').clientWidth")
    browser.drag(".timeline-main", (width / 6, 140), (width / 5, 140), (width / 4, 140))
    eventually(lambda: browser.count(".plan"), "the plan")
    assert "at a keyframe" in eventually(lambda: browser.text(".plan strong"))
    eventually(lambda: "frames re-encoded" in browser.text(".plan p"), "what a smart cut would cost")
    browser.script("[...document.querySelectorAll('.plan .link')].at(-1).click()")
    eventually(lambda: browser.text("[aria-label=Mode] .chosen") == "Smart", "mode Smart")
    browser.type("#range-name", "by-mouse")
    browser.click(".requests .main")
    clip = eventually(lambda: next(iter(console.clips("by-mouse")), None), "the request")
    report = console.stack.wait(clip["request_id"])["report"]
    assert report["mode"] == "smart"
    # Within a pixel of the timeline, which shows a minute; and exactly what the fields said.
    assert report["actual"]["start"] == pytest.approx(10, abs=0.1)
    assert report["actual"]["end"] == pytest.approx(15, abs=0.1)
    eventually(lambda: browser.count(".range .badge.good"), "the end in the list")
    eventually(lambda: "by-mouse is done" in browser.text(".toasts"), "the toast")


def test_it_plays_across_windows_and_keyframes(console: Console) -> None:
    console.find("table-7.mp4")
    console.go_to("00:00:09:00")
    console.shows(9 * RATE)
    console.browser.press("l")
    eventually(lambda: console.painted() > 11 * RATE, "two seconds of video", logs=console.seen)
    console.browser.press("k")
    eventually(lambda: console.frame == console.painted(), "rest", logs=console.seen)


def test_a_search_finds_recordings_in_all_folders(console: Console) -> None:
    browser = console.browser
    browser.press("/")
    eventually(lambda: browser.count("#find:focus"), "the search field")
    browser.press(*"deep")
    found = "return [...document.querySelectorAll('.card strong')].map((each) => each.innerText)"
    # As soon as the catalogue has it.
    eventually(lambda: browser.script(found) == ["deep-stack.mp4"], "the recording", within=120)
    assert "2026-11-20/below" in browser.text(".card .where").replace("\u200e", "")


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
        lambda: browser.text(".report").count(MARKUP) == 3, "the error, and the metadata's name and value"
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
    editor = browser.script("return location.hash")
    eventually(lambda: "frames re-encoded" in browser.text(".plan p"), "the plan")
    browser.script("document.querySelector('.toast [aria-label=Close]')?.click()")
    eventually(lambda: not browser.count(".toast"), "no toast")
    browser.screenshot(folder / "console-editor.png")
    for screen, ready in ((editor, ".play"), ("#/clips", "[data-id]"), ("#/recordings", ".card strong")):
        browser.script(f"location.hash = {screen!r}")
        eventually(lambda ready=ready: browser.count(ready), screen)
        if screen == "#/clips":
            browser.script("document.querySelector('[data-id]').click()")
            eventually(lambda: browser.count(".report .said p"), "the report")
            eventually(console.media_is_loaded, "posters, and the clip's video")
            browser.screenshot(folder / "console-clips.png")
        for width, height, theme in ((1440, 900, "light"), (900, 800, "dark"), (390, 844, "dark")):
            browser.appear(width, height, theme=theme, phone=width < 720)
            for _ in ("Korean", "English"):
                browser.script("document.querySelector('.rail-foot .text').click()")
                wide = "return ['html', 'main'].map((each) => document.querySelector(each).scrollWidth)"
                eventually(
                    lambda wide=wide, width=width: max(browser.script(wide)) <= width, f"{screen}, {width}"
                )
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
    console.stack.signal("api", signal.SIGSTOP)
    pid = console.stack.pid("api")
    console.stack.signal("api", signal.SIGKILL)
    eventually(lambda: browser.count(".banner"), "the banner", within=60)
    assert "does not answer" in browser.text(".banner")
    eventually(lambda: console.stack.pid("api") != pid, "a new API")
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
