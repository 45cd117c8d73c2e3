"""`python -m bench.preview`: does a browser show the requested frame of a recording, and how soon?

Generates recordings of an hour whose frames carry their number, serves windows of them to a headless
Chromium, and jumps to unbuffered positions and single frames by Media Source Extensions; for comparison it
does the same in the file itself, by a plain `<video>`. With --media, opens each recording of a folder once,
too, and compares the frame in its middle with the recording's."""

from __future__ import annotations

import argparse
import io
import json
import logging
import random
import statistics
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from flask import Flask, Response, request, send_file
from PIL import Image

from agent.cutting.preview import Description, Previews, PreviewSettings
from agent.cutting.process.client import engine_server
from agent.cutting.reading.source import SourceFile, open_path
from bench.measure.browser import visited
from bench.measure.numbered import KINDS, frame_times, numbered
from bench.measure.strip import read
from clipping.errors import ClippingError

_APART = Fraction(30)
"""Seconds between two jumps: the windows around them do not overlap."""
_MOST_SECONDS = 1800
_COLUMNS = 64
_NEIGHBOURS = 2
_AS_GOOD = 1.5
"""Levels of brightness: frames that differ by less look the same."""


@dataclass
class Task:
    """A recording to show."""

    path: Path
    times: tuple[Fraction, ...]
    numbers: tuple[int, ...] | None
    """None: a real recording."""
    jumps: list[int]
    """Numbers of frames, by when they are shown."""
    steps: list[int]
    plain: bool
    source: SourceFile
    description: Description
    results: list[dict[str, Any]] = field(default_factory=list)

    def middle(self, at: int) -> Fraction:
        """The middle of the time for which a frame is shown."""
        following = self.times[at + 1] if at + 1 < len(self.times) else self.times[at] + Fraction(1, 100)
        return (self.times[at] + following) / 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="of each recording (60)")
    parser.add_argument("--count", type=int, default=20, help="jumps and steps in each recording (20)")
    parser.add_argument("--only", default="", help="recordings whose name contains this")
    parser.add_argument("--media", type=Path, metavar="DIR", help="open each recording of this folder, too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to this file")
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = engine_server(2)
    previews = Previews(server, PreviewSettings())
    try:
        server.start()
        tasks = list(_generated(previews, arguments.minutes, arguments.count, arguments.only))
        if arguments.media:
            tasks += _real(previews, arguments.media, arguments.only)
        done = threading.Event()
        with visited(_pages(previews, tasks, done)) as version:
            if not done.wait(_MOST_SECONDS):
                print(f"the browser has not finished in {_MOST_SECONDS} s", file=sys.stderr)
        text, good = _report(previews, tasks, version)
    finally:
        previews.close()
        server.close()
    print(text)
    if arguments.write:
        arguments.write.write_text(text)
    return 0 if good else 1


def _generated(previews: Previews, minutes: int, count: int, only: str) -> Iterator[Task]:
    for kind in KINDS:
        if only not in kind.name:
            continue
        made = numbered(kind, minutes)
        dice = random.Random(kind.name)
        jumps: list[int] = []
        while len(jumps) < count + 1:
            at = dice.randrange(len(made.times) - 2 * count)
            if all(abs(made.times[at] - made.times[other]) > _APART for other in jumps):
                jumps.append(at)
        first = jumps.pop()
        source = open_path(made.path)
        described = previews.describe(source)
        steps = list(range(first, first + count + 1))
        yield Task(made.path, made.times, made.numbers, jumps, steps, True, source, described)


def _real(previews: Previews, folder: Path, only: str) -> Iterator[Task]:
    for path in sorted(folder.iterdir()):
        if not path.is_file() or only not in path.name:
            continue
        try:
            source = open_path(path)
            described = previews.describe(source)
            times = frame_times(path)
        except (ClippingError, av.error.FFmpegError, AttributeError, TypeError):
            continue  # no recording, or one without video
        if described.playable in ("copy", "proxy") and len(times) > 2:
            yield Task(path, times, None, [len(times) // 2], [], False, source, described)


def _pages(previews: Previews, tasks: list[Task], done: threading.Event) -> Flask:
    app = Flask(__name__)

    @app.get("/")
    def page() -> Response:
        return send_file(Path(__file__).parent / "measure" / "preview.html")

    @app.get("/tasks")
    def listed() -> list[dict[str, Any]]:
        return [
            {
                "id": number,
                "kinds": ["windows", "plain"] if task.plain else ["windows"],
                "duration": float(task.description.duration or task.times[-1] + 1),
                "end": float(task.times[-1]),
                "shift": float(task.description.shift),
                "jumps": [float(task.middle(at)) for at in task.jumps],
                "steps": [float(task.middle(at)) for at in task.steps],
            }
            for number, task in enumerate(tasks)
        ]

    @app.get("/window/<int:number>")
    def window(number: int) -> Response:
        t, d = Fraction(request.args["t"]), Fraction(request.args["d"])
        try:
            audio, encode = "audio" not in request.args, "encode" in request.args
            found = previews.window(tasks[number].source, t, d, audio=audio, encode=encode)
        except ClippingError as error:
            return Response(f"{error.code}: {error.message}", status=422)
        head = {
            "mime": found.mime,
            "offset": float(found.offset),
            "kind": found.kind,
            "start": float(found.start),
        }
        head |= {"offset": float(found.offset), "start": float(found.start)}
        return Response(found.data, headers={"X-Window": json.dumps(head)}, mimetype="video/mp4")

    @app.get("/file/<int:number>")
    def file(number: int) -> Response:
        return send_file(tasks[number].path, conditional=True)

    @app.post("/seen")
    def seen() -> str:
        result = json.loads(request.data)
        tasks[result["id"]].results.append(result)
        return ""

    @app.post("/done")
    def finished() -> str:
        done.set()
        return ""

    return app


def _report(previews: Previews, tasks: list[Task], version: str) -> tuple[str, bool]:
    rows = [(task, result, *_row(previews, task, result)) for task in tasks for result in task.results]
    bad = sum(not good for task, result, _, good in rows if result["kind"] == "windows")
    lines = [
        "# Preview",
        "",
        f"Frames shown in {version}, by `python -m bench.preview`; times in ms from the request to the"
        f" painted frame. {bad} recordings are wrong by windows.",
        "",
        "| recording | by | jumps right | first | p50 | max | steps right | p50 | max | MB | result |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
        *(f"| {' | '.join(cells)} |" for _, _, cells, _ in rows),
        "",
    ]
    return "\n".join(lines), not bad


def _row(previews: Previews, task: Task, result: dict[str, Any]) -> tuple[list[str], bool]:
    jumps, steps = result["jumps"], result["steps"][1:]
    right = [_is_right(previews, task, at, s) for at, s in zip(task.jumps, jumps, strict=False)]
    stepped = [_is_right(previews, task, at, s) for at, s in zip(task.steps[1:], steps, strict=False)]
    good = (
        not result["error"]
        and all([*right, *stepped])
        and len(right) == len(task.jumps)
        and len(stepped) == max(0, len(task.steps) - 1)
    )
    verdict = "good" if good else result["error"] or "WRONG"
    by = "+".join(result["kinds"]) or result["kind"]
    first = [f"{jumps[0]['ms']:.0f}"] if jumps else [""]
    return [
        task.path.name,
        by,
        f"{sum(right)}/{len(task.jumps)}",
        *first,
        *_times(jumps[1:]),
        f"{sum(stepped)}/{max(0, len(task.steps) - 1)}",
        *_times(steps),
        f"{result['bytes'] / 1e6:.1f}",
        verdict.replace("|", "/").replace("\n", " ")[:100],
    ], good


def _times(shown: list[dict[str, Any]]) -> list[str]:
    times = [s["ms"] for s in shown]
    return [f"{statistics.median(times):.0f}", f"{max(times):.0f}"] if times else ["", ""]


def _is_right(previews: Previews, task: Task, at: int, shown: dict[str, Any]) -> bool:
    row = shown["row"]
    if not row:
        return False
    if task.numbers is not None:
        return read(np.tile(np.array(row, np.uint8), (int(shown["height"]), 1))) == task.numbers[at]
    near = range(max(0, at - _NEIGHBOURS), min(len(task.times), at + _NEIGHBOURS + 1))
    seen = _columns(np.array(row, np.float64))
    away = {other: float(np.abs(_row_of(previews, task, other) - seen).mean()) for other in near}
    return away[at] <= min(away.values()) + _AS_GOOD


def _row_of(previews: Previews, task: Task, at: int) -> Any:
    jpeg = previews.still(task.source, task.middle(at), 2160).jpeg
    luma = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"), np.float64)
    return _columns(luma[luma.shape[0] // 20])


def _columns(row: Any) -> Any:
    edges = np.linspace(0, len(row), _COLUMNS + 1).astype(int)
    return np.array([row[a:b].mean() for a, b in pairwise(edges)])


if __name__ == "__main__":
    sys.exit(main())
