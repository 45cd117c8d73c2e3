"""`python -m bench.console`: does the console show the requested frame of a recording, and how soon?

Generates recordings whose frames carry their number, opens each in the console of a local stack in a headless
Chromium, types seconds that are far apart, and steps by single frames. Times are from the key press to the
last frame that is painted; it is right if its number is that of the frame there, by the recording's packets.
"""

from __future__ import annotations

import argparse
import bisect
import random
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure.numbered import KINDS, Numbered, numbered
from bench.measure.strip import read
from bench.recording import CACHE
from tests.support.browser import Browser, missing
from tests.support.console import Console
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

_APART = 30
"""Seconds between two jumps: the windows around them do not overlap."""
_SLACK = 0.0015
"""Seconds by which a container's times may be off."""
_WITHIN = 20.0
_WATCH = """
const video = document.querySelector('video');
const seen = window.seen = {pressed: 0, painted: 0};
addEventListener('keydown', () => { seen.pressed = performance.now(); }, true);
const next = () => { seen.painted = performance.now(); video.requestVideoFrameCallback(next); };
video.requestVideoFrameCallback(next);
"""
_ROW = """
const video = document.querySelector('video'), canvas = document.createElement('canvas');
[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
const context = canvas.getContext('2d');
context.drawImage(video, 0, 0);
const data = context.getImageData(0, Math.floor(canvas.height / 20), canvas.width, 1).data, row = [];
for (let i = 1; i < data.length; i += 4) row.push(data[i]);
return {row, height: canvas.height, ms: window.seen.painted - window.seen.pressed};
"""


@dataclass(frozen=True)
class Seen:
    """One recording's results."""

    name: str
    jumps: list[tuple[bool, float]]
    """Whether the frame was right, and milliseconds."""
    steps: list[tuple[bool, float]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=60, help="of each recording (60)")
    parser.add_argument("--count", type=int, default=20, help="jumps and steps in each recording (20)")
    parser.add_argument("--only", default="", help="recordings whose name contains this")
    arguments = parser.parse_args()
    if (what := missing()) is not None:
        raise SystemExit(what)
    kinds = [kind for kind in KINDS if arguments.only in kind.name]
    made = [numbered(kind, arguments.minutes) for kind in kinds]
    with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as folder:
        results = _measured(Path(folder), made, arguments.count)
    return _report(results)


def _measured(folder: Path, made: list[Numbered], count: int) -> list[Seen]:
    with (
        RunningStack(folder / "data", made[0].path.parent, cutting={}, pubsub={}) as stack,
        Browser(folder / "browser") as browser,
    ):
        console = Console(browser, stack)
        browser.appear(1440, 900)
        console.sign_in()
        return [_scrubbed(console, recording, count) for recording in made]


def _scrubbed(console: Console, recording: Numbered, count: int) -> Seen:
    browser, name = console.browser, recording.path.name
    browser.script("location.hash = '#/recordings'")
    console.choose(name)
    eventually(lambda: console.frame == 0, f"the first frame of {name}", within=_WITHIN, logs=console.seen)
    browser.script(_WATCH)
    dice = random.Random(name)
    chosen: list[int] = []
    while len(chosen) < count + 1:
        second = dice.randrange(int(recording.times[-2 * count]))
        if all(abs(second - other) > _APART for other in chosen):
            chosen.append(second)
    jumps = []
    for second in chosen:
        console.go_to(f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}:00")
        # Timecodes count from the first frame.
        at = bisect.bisect_right(recording.times, recording.times[0] + second + _SLACK) - 1
        jumps.append(_shown(console, recording, at))
    steps = []
    for step in range(1, count + 1):
        browser.press(".")
        steps.append(_shown(console, recording, at + step))
    return Seen(name, jumps, steps)


def _shown(console: Console, recording: Numbered, at: int) -> tuple[bool, float]:
    """Wait until the video shows the frame; whether it does, and how long that took."""
    seen: dict[str, Any] = {}

    def is_there() -> bool:
        seen.update(console.browser.script(_ROW))
        luma = np.tile(np.array(seen["row"], np.uint8), (int(seen["height"]), 1))
        return read(luma) == recording.numbers[at] and seen["ms"] > 0

    try:
        eventually(is_there, f"frame {at}", within=_WITHIN)
    except AssertionError:
        return False, _WITHIN * 1000
    return True, float(seen["ms"])


def _report(results: list[Seen]) -> int:
    print("| recording | jumps right | p50 ms | max | steps right | p50 ms | max |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for seen in results:
        cells = [re.sub(r"^\d+min-", "", seen.name)]
        for found in (seen.jumps, seen.steps):
            times = [ms for _, ms in found]
            cells.append(f"{sum(right for right, _ in found)}/{len(found)}")
            cells += [f"{statistics.median(times):.0f}", f"{max(times):.0f}"]
        print(f"| {' | '.join(cells)} |")
    good = all(right for seen in results for right, _ in (*seen.jumps, *seen.steps))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
