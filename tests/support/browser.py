"""A headless Chromium, driven through ChromeDriver by the W3C WebDriver protocol."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import requests
from PIL import Image

from tests.support.waiting import eventually

SECONDS = 60.0
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element reference in the WebDriver standard."""
_KEYS = {
    "Shift": "\ue008",
    "Ctrl": "\ue009",
    "Alt": "\ue00a",
    "Space": " ",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Tab": "\ue004",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Delete": "\ue017",
    "Home": "\ue011",
    "End": "\ue010",
}
"""Keys without a character, by WebDriver's code for them."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1600",
)


def missing() -> str | None:
    """The requirement of a `Browser` that is not installed; None if there is none."""
    if _chromium() is None:
        return "chromium is not installed"
    return None if shutil.which("chromedriver") else "chromedriver is not installed"


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One window. Elements are selected by CSS selectors; each call waits until the element exists."""

    def __init__(self, profile: Path) -> None:
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._driver.stdout is not None
        port = next(
            line.rpartition("port ")[2].strip(" .\n")
            for line in self._driver.stdout
            if "successfully" in line
        )
        self._url = f"http://127.0.0.1:{port}"
        options = {"binary": _chromium(), "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        asked = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        try:
            wanted = {"capabilities": {"alwaysMatch": asked}}
            self._url += f"/session/{self._call('POST', '/session', wanted)['sessionId']}"
        except BaseException:
            self._end()
            raise

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def tab(self) -> str:
        """The handle of the tab that is in front."""
        return str(self._call("GET", "/window"))

    def add_tab(self) -> str:
        """Open a tab behind the others; its handle."""
        return str(self._call("POST", "/window/new", {"type": "tab"})["handle"])

    def switch(self, tab: str) -> None:
        """Bring a tab to the front: all calls are for it."""
        self._call("POST", "/window", {"handle": tab})
        self.devtools("Page.bringToFront", {})

    def close_tab(self) -> None:
        """Close the tab that is in front; `switch` has to follow."""
        self._call("DELETE", "/window")

    @contextmanager
    def further_tabs(self) -> Iterator[None]:
        """Close the tabs that are added meanwhile, and bring the one of now to the front again."""
        front, before = self.tab(), set(self._call("GET", "/window/handles"))
        try:
            yield
        finally:
            for tab in set(self._call("GET", "/window/handles")) - before:
                self.switch(tab)
                self.close_tab()
            self.switch(front)

    def count(self, selector: str) -> int:
        return len(self._elements(selector))

    def text(self, selector: str) -> str:
        return str(self.script(f"return document.querySelector({selector!r}).innerText"))

    def click(self, selector: str) -> None:
        self._call("POST", f"/element/{self._element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Replace the text of a field."""
        element = self._element(selector)
        self._call("POST", f"/element/{element}/value", {"text": "\ue009a\ue000" + text})  # Ctrl-A

    def press(self, *keys: str) -> None:
        """Press keys one after another, each with the modifiers before it: `a`, `Alt+ArrowLeft`."""
        presses: list[dict[str, Any]] = []
        for key in keys:
            *held, last = ["+"] if key == "+" else key.split("+")
            codes = [_KEYS.get(each, each) for each in (*held, last)]
            presses += [{"type": "keyDown", "value": code} for code in codes]
            presses += [{"type": "keyUp", "value": code} for code in reversed(codes)]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": presses}]})

    def drag(self, selector: str, *points: tuple[float, float]) -> None:
        """Press the mouse on the first point of an element, move it over the others and release it.

        The points are in pixels from the element's top left corner.
        """
        first, *others = self._moves(selector, *points)
        self._mouse(first, {"type": "pointerDown", "button": 0}, *others, {"type": "pointerUp", "button": 0})

    def hover(self, selector: str, *points: tuple[float, float]) -> None:
        """Move the mouse over points of an element, as `drag` does, with no button pressed."""
        self._mouse(*self._moves(selector, *points))

    def _moves(self, selector: str, *points: tuple[float, float]) -> list[dict[str, Any]]:
        left, top = self.script(
            f"const box = document.querySelector({selector!r}).getBoundingClientRect();"
            "return [box.left, box.top]"
        )
        return [
            {"type": "pointerMove", "duration": 0, "x": round(left + x), "y": round(top + y)}
            for x, y in points
        ]

    def _mouse(self, *actions: dict[str, Any]) -> None:
        source = {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": actions,
        }
        self._call("POST", "/actions", {"actions": [source]})

    def appear(
        self, width: int, height: int, *, theme: str = "dark", phone: bool = False, still: bool = False
    ) -> None:
        """The size of the page in CSS pixels, the theme, and whether it is a phone; `still`: with no
        animations, as in the settings of some users."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
        motion = "reduce" if still else "no-preference"
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.devtools("Emulation.setEmulatedMedia", {"features": features})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def log(self) -> list[str]:
        """What the page and the browser logged since the last call."""
        return [str(each["message"]) for each in self._call("POST", "/se/log", {"type": "browser"})]

    def script(self, code: str) -> Any:
        return self._call("POST", "/execute/sync", {"script": code, "args": []})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def save_image(self, path: Path) -> None:
        """A screenshot for a page of the documentation, as small as it can be without a loss."""
        self.screenshot(path)
        with Image.open(path) as image:
            image.convert("RGB").save(path, optimize=True)

    def close(self) -> None:
        try:
            self._call("DELETE", "")
        finally:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _element(self, selector: str) -> str:
        return eventually(lambda: self._elements(selector), selector)[0]

    def _elements(self, selector: str) -> list[str]:
        found = self._call("POST", "/elements", {"using": "css selector", "value": selector})
        return [each[_ELEMENT] for each in found]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        answer = requests.request(method, self._url + path, json=body, timeout=SECONDS)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def _end(self) -> None:
        self._driver.terminate()
        self._driver.wait(SECONDS)
        assert self._driver.stdout is not None
        self._driver.stdout.close()
