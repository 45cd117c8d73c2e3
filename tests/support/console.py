"""The web console in a browser, as a user of one stack sees it."""

from __future__ import annotations

import re
from typing import Any

from tests.support.browser import Browser
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

SECONDS, RATE = 60, 25
"""The length and frame rate of the recordings of the console's tests."""
MARKUP = "<img src=x onerror=alert(1)>"
"""In names and texts that the console has to show as they are."""
SCREENSHOTS = "CLIPPING_SCREENSHOTS"
"""The environment variable with a folder for the pages' images: `docs/images`."""


class Page:
    """The console as one browser shows it."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def enter(self, page: str, key: str) -> None:
        """Open the console's address with a key, as in a new tab."""
        self.browser.open(page)
        self.browser.script("sessionStorage.clear(); localStorage.clear()")
        self.browser.open("about:blank")
        self.browser.open(f"{page}#key={key}")

    def find(self, name: str) -> None:
        """Open a recording of the first folder in the editor, and wait for its first frame."""
        self.choose(name)
        self.shows(0)

    def choose(self, name: str) -> None:
        """Open a recording of the folder that is shown."""
        card = f"[...document.querySelectorAll('.card')].find((each) => each.innerText.includes({name!r}))"
        eventually(lambda: self.browser.script(f"return Boolean({card})"), name)
        self.browser.script(f"{card}.click()")
        eventually(lambda: self.browser.count(".play"), "the player")

    def screens(self) -> dict[str, str]:
        """The addresses of the screens to which the rail leads, by their names."""
        found = self.browser.script(
            "return import('/console/screens.js').then(({SCREENS}) =>"
            "  SCREENS.map((each) => [each.name, each.to()]).filter(([, to]) => to))"
        )
        return dict(found)

    def show(self, name: str, ready: str) -> None:
        """Show a screen by its name, as it is when it was opened, and wait until it has loaded (`ready`)."""
        address = self.screens()[name]
        if self.browser.script("return location.hash") == address:
            self.browser.script("location.reload()")
        else:
            self.browser.script(f"location.hash = {address!r}")
        eventually(
            lambda: self.browser.count(ready) and not self.browser.count(".blank"), f"the screen {name}"
        )

    def shows_something(self) -> bool:
        """Whether the screen has more than its heading."""
        return bool(
            self.browser.script(
                "return [...document.querySelectorAll('main *')].some("
                "  (each) => each.offsetHeight && each.innerText && !each.closest('header'))"
            )
        )

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

    def rests_at(self, number: int) -> None:
        """Wait for this frame where frames come at uneven times, so that the readout counts others."""
        eventually(
            lambda: self.painted() == number and not self.browser.count(".frame.busy"),
            f"frame {number}",
            logs=self.seen,
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

    def seen(self) -> str:
        return f"; readout {self.frame}, painted {self.painted()}, log {self.browser.log()}"

    def go_to(self, timecode: str) -> None:
        self.browser.press("g")
        eventually(lambda: self.browser.count("input.timecode:focus"), "the field for a time")
        self.browser.press(*timecode, "Enter")


class Console(Page):
    """One browser, and the stack whose console it shows."""

    def __init__(self, browser: Browser, stack: RunningStack) -> None:
        super().__init__(browser)
        self.stack = stack

    def sign_in(
        self, key: str | None = None, *, ready: str = ".card strong", page: str | None = None
    ) -> None:
        """As in a new tab, by the stack's client key unless `key` is another one; `ready` selects what is
        waited for, and `page` is the console's address if it is not the API's."""
        self.enter(page or self.stack.where["console_url"], key or self.stack.where["api_key"])
        eventually(lambda: self.browser.count(ready), f"the console, {ready}")

    def media_is_loaded(self) -> bool:
        return bool(
            self.browser.script(
                "const posters = [...document.querySelectorAll('.poster img')];"
                "return posters.length && posters.every((each) => each.naturalWidth)"
                " && document.querySelector('.report video').readyState"
            )
        )

    def request(self, name: str) -> dict[str, Any]:
        """Press E and wait for the clip."""
        self.browser.press("e")
        clip = eventually(lambda: next(iter(self.clips(name)), None), f"the request {name}")
        done = self.stack.wait(clip["request_id"])
        eventually(
            lambda: self.browser.count(".range .badge.good, .range .badge.error"), "the end in the list"
        )
        return done

    def cut(self, name: str, **fields: Any) -> dict[str, Any]:
        """A clip of a second that was requested elsewhere, once it has ended."""
        path = str(self.stack.nas_root / "table-7.mp4")
        body = {"nas_video_path": path, "start_seconds": 1, "end_seconds": 2, **fields}
        return self.stack.wait(self.stack.ask(hand_id=name, **body))

    def clips(self, name: str) -> list[dict[str, Any]]:
        url = f"{self.stack.where['api_url']}/v1/clips"
        found: list[dict[str, Any]] = self.stack.session.get(
            url, params={"hand_id": name}, timeout=30
        ).json()["clips"]
        return found
