"""`python -m bench.confinement`: can a race obtain a clip or a preview of a file outside the roots?

While requests and previews run through the whole local stack, a folder inside the root is continuously
exchanged with a symlink to a folder outside it, and a file with a symlink to a file outside. The recordings
inside and outside differ in width, keyframes and audio. The exit code is 1 if anything of a recording outside
is delivered."""

from __future__ import annotations

import argparse
import collections
import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import requests

from agent.cutting import find_ffmpeg
from bench.measure.preview_race import Look, race

INSIDE, OUTSIDE = 320, 160
"""Widths of the two recordings in pixels."""
IN_FLIGHT = 8
GIVE_UP_SECONDS = 300.0
_MODES = ("copy", "copy", "copy", "smart", "encode")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_OVERLAY = {
    "agent": {"slots": {"interactive": 4, "batch": 1}},
    "limits": {"requests_per_minute": 0},
    "pubsub": {"retry_min_seconds": 0, "retry_max_seconds": 1},
}


class Exchange:
    """Context manager that continuously exchanges what is at two paths. `pause`: seconds in between."""

    def __init__(self, one: Path, other: Path, *, pause: float) -> None:
        self._paths = os.fsencode(one), os.fsencode(other)
        self._pause = pause
        self.swaps = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="swap", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        """Leaves them as they were."""
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        one, other = self._paths
        while not self._stop.is_set() or self.swaps % 2:
            if renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) != 0:
                raise OSError(ctypes.get_errno(), "the two can't be exchanged")
            self.swaps += 1
            time.sleep(self._pause)


class Swap(Exchange):
    """Alternates `root/camera` between a folder and a symlink to `outside`."""

    def __init__(self, root: Path, outside: Path, *, pause: float) -> None:
        self.folder = root / "camera"
        super().__init__(self.folder, root / "other", pause=pause)
        self.folder.mkdir()
        (root / "other").symlink_to(outside)


INSIDE_LOOK = Look(INSIDE, 1.0, loud=False)


def record(path: Path, width: int) -> None:
    """Record ten seconds of a test pattern: silent with a keyframe in each second, or as it is outside."""
    inside = width == INSIDE
    audio = "anullsrc=r=48000:cl=mono" if inside else "sine=440:r=48000"
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"testsrc2=size={width}x{width * 9 // 16}:rate=25:duration=10"]
    command += ["-f", "lavfi", "-i", audio, "-t", "10", "-c:v", "libx264", "-preset", "ultrafast"]
    command += ["-g", "25" if inside else "20", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True, timeout=60)


@contextmanager
def _stack(folder: Path, root: Path) -> Iterator[tuple[str, requests.Session]]:
    overlay = folder / "overlay.yaml"
    overlay.write_text(json.dumps(_OVERLAY))
    command = [sys.executable, "-m", "clipping.cli", "up", "--json", "--port", "0", "--agents", "1"]
    command += ["--data", f"{folder}/data", "--nas-root", str(root), "--config", str(overlay)]
    stack = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert stack.stdout is not None
        where = json.loads(stack.stdout.readline())
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {where['api_key']}"
        yield where["api_url"], session
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.wait(60)


def attack(api: str, session: requests.Session, recording: Path, count: int) -> collections.Counter[str]:
    """Make `count` requests for a clip of `recording`. Returns counts by outcome."""
    seen: collections.Counter[str] = collections.Counter()
    modes = itertools.cycle(_MODES)
    running: list[str] = []
    asked = 0
    until = time.monotonic() + GIVE_UP_SECONDS + count
    while asked < count or running:
        if time.monotonic() > until:
            raise SystemExit(f"{len(running)} requests did not finish")
        while asked < count and len(running) < IN_FLIGHT:
            body = {"hand_id": "race", "nas_video_path": str(recording), "mode": next(modes)}
            body |= {"start_seconds": "2", "end_seconds": "3"}
            answer = session.post(f"{api}/v1/clip/request", json=body, timeout=10)
            answer.raise_for_status()
            running.append(answer.json()["status_url"])
            asked += 1
        for url in list(running):
            status = session.get(url, timeout=10).json()
            if status["status"] in ("completed", "failed"):
                seen[_outcome(status)] += 1
                running.remove(url)
        time.sleep(0.01)
    return seen


def _outcome(status: dict[str, Any]) -> str:
    if status["status"] == "failed":
        return str(status["error"]["code"])
    width = status["report"]["video"]["width"]
    return {INSIDE: "the file inside", OUTSIDE: "the file OUTSIDE"}[width]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument(
        "--pause-ms", type=float, default=2.0, help="pause between two exchanges (default: 2)"
    )
    parser.add_argument("--preview-seconds", type=float, default=60.0, help="of calls for previews (60)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "root").mkdir()
        (folder / "outside").mkdir()
        swap = Swap(folder / "root", folder / "outside", pause=arguments.pause_ms / 1000)
        record(swap.folder / "night.mp4", INSIDE)
        record(folder / "outside" / "night.mp4", OUTSIDE)
        with _stack(folder, folder / "root") as (api, session):
            with swap:
                seen = attack(api, session, swap.folder / "night.mp4", arguments.requests)
            print(f"{arguments.requests} requests, {swap.swaps} exchanges")
            for ending, count in seen.most_common():
                print(f"  {count:5}  {ending}")
            previews = _previews(folder, api, session, arguments.preview_seconds, arguments.pause_ms / 1000)
    return 1 if seen["the file OUTSIDE"] or previews["OUTSIDE"] else 0


def _previews(
    folder: Path, api: str, session: requests.Session, seconds: float, pause: float
) -> collections.Counter[str]:
    """Counts by outcome of calls for previews, half of them with each kind of exchange."""
    total: collections.Counter[str] = collections.Counter()
    root, outside = folder / "root", folder / "outside"
    record(root / "file.mp4", INSIDE)
    (root / "link.mp4").symlink_to(outside / "night.mp4")
    kinds = {
        "a folder": ("camera", "night.mp4", (root / "camera", root / "other")),
        "a file": ("", "file.mp4", (root / "file.mp4", root / "link.mp4")),
    }
    for what, (prefix, name, paths) in kinds.items():
        recording_id = _listed(api, session, prefix, name)
        with Exchange(*paths, pause=pause) as exchange:
            seen = race(
                lambda route, query, at=recording_id: session.get(  # type: ignore[misc]
                    f"{api}/preview/v1/recordings/{at}{route}", params=query, timeout=60
                ),
                INSIDE_LOOK,
                threads=3,
                seconds=seconds / 2,
            )
        print(f"{seen.total()} previews, {exchange.swaps} exchanges of {what}")
        for (route, ending), count in sorted(seen.items()):
            print(f"  {count:5}  {route or '/'} {ending}")
            total[ending] += count
    return total


def _listed(api: str, session: requests.Session, prefix: str, name: str) -> str:
    """The id of a recording, once its folder is there."""
    query = {"prefix": prefix, "q": name}
    for _ in range(100):
        answer = session.get(f"{api}/preview/v1/recordings", params=query, timeout=30)
        found = answer.json().get("recordings") if answer.ok else None
        if found:
            return str(found[0]["id"])
        time.sleep(0.05)
    raise SystemExit(f"{name} is not listed: {answer.text}")


if __name__ == "__main__":
    sys.exit(main())
