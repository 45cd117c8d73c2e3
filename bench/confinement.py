"""`python -m bench.confinement`: can a race obtain a clip of a file outside the roots?

While requests run through the whole local stack, a folder inside the root is continuously exchanged with a
symlink to a folder outside it. Both contain a recording of the same name, with different widths. The exit
code is 1 if any clip of the recording outside is delivered."""

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


class Swap:
    """Context manager that alternates `root/camera` between a folder and a symlink to `outside`."""

    def __init__(self, root: Path, outside: Path, *, pause: float) -> None:
        self.folder = root / "camera"
        self._other = root / "other"
        self._pause = pause
        self.swaps = 0
        self.folder.mkdir()
        self._other.symlink_to(outside)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="swap", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        one, other = os.fsencode(self.folder), os.fsencode(self._other)
        while not self._stop.is_set():
            if renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) != 0:
                raise OSError(ctypes.get_errno(), "the folder and the symlink can't be exchanged")
            self.swaps += 1
            time.sleep(self._pause)


def record(path: Path, width: int) -> None:
    """Record ten seconds of a test pattern."""
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", f"testsrc2=size={width}x{width * 9 // 16}:rate=25:duration=10"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", str(path)]
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "root").mkdir()
        (folder / "outside").mkdir()
        swap = Swap(folder / "root", folder / "outside", pause=arguments.pause_ms / 1000)
        record(swap.folder / "night.mp4", INSIDE)
        record(folder / "outside" / "night.mp4", OUTSIDE)
        with _stack(folder, folder / "root") as (api, session), swap:
            seen = attack(api, session, swap.folder / "night.mp4", arguments.requests)
    print(f"{arguments.requests} requests, {swap.swaps} exchanges")
    for ending, count in seen.most_common():
        print(f"  {count:5}  {ending}")
    return 1 if seen["the file OUTSIDE"] else 0


if __name__ == "__main__":
    sys.exit(main())
