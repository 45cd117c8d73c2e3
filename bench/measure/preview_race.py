"""Which of two recordings of the same name a preview shows: see `bench.confinement`."""

from __future__ import annotations

import collections
import io
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import av
from PIL import Image


@dataclass(frozen=True)
class Look:
    """How one of the two recordings looks."""

    width: int
    """Pixels; 16:9."""
    gop_seconds: float
    loud: bool
    """Whether it is not silent."""


class Answer(Protocol):
    """An HTTP response, as of `requests`."""

    status_code: int
    content: bytes
    text: str

    def json(self) -> Any: ...


def _width(answer: Answer) -> Any:
    return answer.json()["width"]


def _gop(answer: Answer) -> Any:
    first, second = next(pairwise(answer.json()["times"]))
    return round(second - first, 3)


def _window_width(answer: Answer) -> Any:
    with av.open(io.BytesIO(answer.content)) as container:
        return next(container.decode(video=0)).width


def _image_width(answer: Answer) -> Any:
    with Image.open(io.BytesIO(answer.content)) as image:
        return image.width


def _tile_width(answer: Answer) -> Any:
    return int(answer.text.partition("#xywh=")[2].split(",")[2])


def _loud(answer: Answer) -> Any:
    return any(byte not in (0, 1, 255) for byte in answer.content)


ROUTES: Mapping[str, tuple[Mapping[str, str], Callable[[Answer], Any], str]] = {
    "": ({}, _width, "width"),
    "/keyframes": ({"from": "0", "to": "5"}, _gop, "gop_seconds"),
    "/window.mp4": ({"t": "1", "d": "1"}, _window_width, "width"),
    "/strip.jpg": ({"n": "1", "h": "180"}, _image_width, "width"),
    "/strip.vtt": ({"n": "1", "h": "180"}, _tile_width, "width"),
    "/peaks": ({"from": "1", "to": "2", "px": "20"}, _loud, "loud"),
    "/still.jpg": ({"t": "1.02"}, _image_width, "width"),
}
"""The query, what is seen in the answer, and the attribute of `Look` that it is compared with."""


def outcome(route: str, answer: Answer, inside: Look) -> str:
    """`inside`, `OUTSIDE`, or the error."""
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.json()['error']['code']}"
    _, see, name = ROUTES[route]
    return "inside" if see(answer) == getattr(inside, name) else "OUTSIDE"


def race(
    call: Callable[[str, Mapping[str, str]], Answer], inside: Look, *, threads: int, seconds: float
) -> collections.Counter[tuple[str, str]]:
    """Call all routes of one recording in turn, from several threads. Returns counts by route and outcome."""
    seen: collections.Counter[tuple[str, str]] = collections.Counter()
    lock, until = threading.Lock(), time.monotonic() + seconds

    def work(first: int) -> None:
        routes = [*ROUTES][first:] + [*ROUTES][:first]
        while time.monotonic() < until:
            for route in routes:
                found = outcome(route, call(route, ROUTES[route][0]), inside)
                with lock:
                    seen[route, found] += 1

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, number % len(ROUTES)) for number in range(threads)]:
            done.result()
    return seen
