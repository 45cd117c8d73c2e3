"""A person who scrubs through a recording: the calls of a page, at a person's pace."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests

_DRAG_SECONDS, _THINK_SECONDS = 0.15, 0.7
_STILLS = 8
"""Shown during one drag of the cursor."""
_VISIBLE = 120.0
"""Seconds of the recording that the detailed timeline shows."""
_HTTP_SECONDS = 90
_RETRY = 503


@dataclass
class Person:
    """Scrubs in a thread of its own until `stop`."""

    url: str
    """Of one recording's previews."""
    duration: float
    headers: Mapping[str, str]
    seed: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """What each call took, by kind."""
    bytes: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._over = threading.Event()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="person", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Raises what a call raised."""
        self._over.set()
        self._thread.join(_HTTP_SECONDS)
        if self._errors:
            raise self._errors[0]

    def _run(self) -> None:
        try:
            with requests.Session() as session:
                session.headers.update(self.headers)
                self._session = session
                self._open()
                while not self._over.is_set():
                    self._look(self._dice.uniform(0, self.duration - 20))
        except BaseException as error:  # noqa: BLE001 - handed on by `stop`
            self._errors.append(error)

    def _open(self) -> None:
        self._call("describe", "")
        self._call("strip", "/strip.jpg", n=40)
        self._call("strip", "/strip.vtt", n=40)

    def _look(self, at: float) -> None:
        """Drag the cursor to a place, see what is around it, and play from there."""
        begin = max(0.0, min(at - _VISIBLE / 2, self.duration - _VISIBLE))
        visible = {"from": _text(begin), "to": _text(begin + _VISIBLE)}
        for number in range(_STILLS):
            back = (_STILLS - 1 - number) * self._dice.uniform(0, 2)
            self._call("still", "/still.jpg", t=_text(max(0.0, at - back)), h=180)
            if self._over.wait(_DRAG_SECONDS):
                return
        self._call("keyframes", "/keyframes", **visible)
        self._call("strip", "/strip.jpg", **visible, n=24)
        self._call("peaks", "/peaks", **visible, px=600)
        for more in range(3):
            self._call("window", "/window.mp4", t=_text(at + 4 * more), d=2 if more == 0 else 4)
            if self._over.wait(_THINK_SECONDS):
                return

    def _call(self, kind: str, route: str, **query: str | int) -> None:
        if self._over.is_set():
            return
        begun = time.monotonic()
        answer = self._session.get(self.url + route, params=query, timeout=_HTTP_SECONDS)
        if answer.status_code == _RETRY:
            self.refused += 1
            self._over.wait(1)
            return
        answer.raise_for_status()
        self.seconds[kind].append(time.monotonic() - begun)
        self.bytes += len(answer.content)


def _text(seconds: float) -> str:
    return f"{seconds:.3f}"
