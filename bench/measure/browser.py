"""Plays clips in a headless Chromium and collects its results."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, send_file
from werkzeug.serving import make_server

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_CLIP_SECONDS = 240
"""Timeout for one clip; longer than the sum of the page's timeouts."""


@dataclass(frozen=True)
class Shown:
    """A clip for the browser to play."""

    path: Path
    late: float
    """A time at which the last frame is displayed, in seconds."""


@dataclass(frozen=True)
class Playback:
    """The browser's results."""

    version: str
    types: dict[str, str]
    """By MIME type: `probably`, `maybe` or `no`."""
    seen: list[dict[str, Any]]
    """The page's result for each clip, in order."""


def find_chromium() -> str:
    """The path of the browser. Raises `SystemExit` when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise SystemExit("no chromium on the PATH")


def play(clips: Sequence[Shown]) -> Playback:
    """Play all clips, one after the other. Raises `SystemExit` when the browser stops responding."""
    results: queue.Queue[tuple[str, Any]] = queue.Queue()
    with visited(_pages(clips, results)) as version:
        types, seen = _collect(results)
    return Playback(version, types, seen)


@contextmanager
def visited(app: Flask) -> Iterator[str]:
    """A headless Chromium that has opened the application's page; its version. The page may use `seen.js`."""
    app.add_url_rule("/seen.js", "shared", lambda: send_file(Path(__file__).with_name("seen.js")))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()
    browser = find_chromium()
    version = subprocess.run(
        [browser, "--version"], capture_output=True, text=True, timeout=60
    ).stdout.strip()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *_FLAGS, f"--user-data-dir={profile}", f"http://127.0.0.1:{server.port}/"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield version.split(" built")[0]
        finally:
            process.terminate()
            process.wait(30)
            server.shutdown()


def _collect(results: queue.Queue[tuple[str, Any]]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    types: dict[str, str] = {}
    seen: list[dict[str, Any]] = []
    while True:
        try:
            kind, value = results.get(timeout=_CLIP_SECONDS)
        except queue.Empty:
            raise SystemExit(
                f"no result from the browser for {_CLIP_SECONDS} s after {len(seen)} clips"
            ) from None
        if kind == "done":
            return types, seen
        if kind == "types":
            types = value
        else:
            seen.append(value)


def _pages(clips: Sequence[Shown], results: queue.Queue[tuple[str, Any]]) -> Flask:
    app = Flask(__name__)

    @app.get("/")
    def page() -> Response:
        return send_file(Path(__file__).with_name("player.html"))

    @app.get("/clips")
    def listed() -> list[dict[str, Any]]:
        return [
            {"name": clip.path.name, "url": f"/clip/{number}", "late": clip.late}
            for number, clip in enumerate(clips)
        ]

    @app.get("/clip/<int:number>")
    def clip(number: int) -> Response:
        return send_file(clips[number].path, conditional=True)

    @app.post("/<any(types, seen, done):kind>")
    def report(kind: str) -> str:
        results.put((kind, json.loads(request.data) if request.data else None))
        return ""

    return app
