"""`python -m bench.pipeline`: the service's overhead over a bare `ffmpeg -c copy`.

Requests for stream copies of two minutes of a one-hour recording go through the whole local stack (POST,
database, Pub/Sub, cut, verification, store, completion), alternating with the same cuts by ffmpeg alone. Then
measures clips per second with 1, 4 and 8 slots, compared with as many concurrent ffmpegs.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from agent.cutting import find_ffmpeg
from bench.recording import CACHE, hour_of_1080p

CLIP_SECONDS = 120
POLL_SECONDS = 0.003
GIVE_UP_SECONDS = 120.0


class Service:
    """A client of a running stack."""

    def __init__(self, where: dict[str, Any], recording: Path) -> None:
        self._url = where["api_url"]
        self._recording = recording
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {where['api_key']}"

    def ask(self, start: float) -> str:
        """Request a clip. Returns its status URL."""
        body = {"hand_id": "bench", "nas_video_path": str(self._recording), "start_seconds": start}
        body["end_seconds"] = start + CLIP_SECONDS
        answer = self._session.post(f"{self._url}/v1/clip/request", json=body, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["status_url"])

    def wait(self, status_url: str) -> dict[str, Any]:
        """Poll until the clip is completed. Returns its status."""
        until = time.perf_counter() + GIVE_UP_SECONDS
        while time.perf_counter() < until:
            status: dict[str, Any] = self._session.get(status_url, timeout=10).json()
            if status["status"] == "completed":
                return status
            if status["status"] == "failed":
                raise SystemExit(f"a clip failed: {status['error_message']}")
            time.sleep(POLL_SECONDS)
        raise SystemExit("a clip did not complete")


@contextmanager
def running(recording: Path, *, slots: int) -> Iterator[Service]:
    """A new stack, on the same disk as ffmpeg's clips."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        overlay = Path(folder) / "overlay.yaml"
        overlay.write_text(f"agent: {{slots: {{interactive: {slots}}}}}\n")
        command = [sys.executable, "-m", "clipping.cli", "up", "--json", "--port", "0"]
        command += ["--data", f"{folder}/data", "--nas-root", str(recording.parent), "--config", str(overlay)]
        stack = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        try:
            assert stack.stdout is not None
            yield Service(json.loads(stack.stdout.readline()), recording)
        finally:
            stack.send_signal(signal.SIGTERM)
            stack.wait(60)


def bare(recording: Path, start: float, output: Path) -> None:
    """The rival: a stream copy by ffmpeg alone."""
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y", "-ss", str(start)]
    command += ["-to", str(start + CLIP_SECONDS), "-i", str(recording), "-c", "copy", str(output)]
    subprocess.run(command, check=True, timeout=60)
    output.unlink()


def one_at_a_time(recording: Path, count: int) -> None:
    """Compare the time from POST to completed with ffmpeg's time, alternating."""
    starts = _starts(count)
    ours, rival, added, processing = [], [], [], []
    with running(recording, slots=1) as service:
        service.wait(service.ask(10.0))  # the first cut fills the page cache
        bare(recording, 10.0, CACHE / "bare.mp4")
        for start in starts:
            begun = time.perf_counter()
            bare(recording, start, CACHE / "bare.mp4")
            alone = time.perf_counter() - begun
            begun = time.perf_counter()
            status = service.wait(service.ask(start))
            through = time.perf_counter() - begun
            ours.append(through)
            rival.append(alone)
            added.append(through - alone)
            processing.append(status["processing_time_seconds"])
    print(f"\n{count} clips of {CLIP_SECONDS} s, one at a time (ms)      p50     p95")
    _row("bare ffmpeg -c copy", rival)
    _row("POST to completed", ours)
    _row("  of which in the agent", processing)
    _row("overhead", added)
    ratio = statistics.median(ours) / statistics.median(rival)
    print(f"  ratio of the medians                      {ratio:5.2f}x")


def many_at_once(recording: Path, count: int) -> None:
    """Measure clips per second with 1, 4 and 8 slots."""
    print(f"\n{count} concurrent requests        service    ffmpeg   ratio   (clips/s)")
    for slots in (1, 4, 8):
        with running(recording, slots=slots) as service:
            service.wait(service.ask(10.0))
            begun = time.perf_counter()
            for url in [service.ask(start) for start in _starts(count)]:
                service.wait(url)
            ours = count / (time.perf_counter() - begun)
        begun = time.perf_counter()
        with ThreadPoolExecutor(slots) as pool:
            outputs = [CACHE / f"bare-{number}.mp4" for number in range(count)]
            list(pool.map(lambda pair: bare(recording, *pair), zip(_starts(count), outputs, strict=True)))
        rival = count / (time.perf_counter() - begun)
        print(f"  {slots} slots                      {ours:6.2f}    {rival:6.2f}   {ours / rival:5.2f}x")


def _starts(count: int) -> list[float]:
    dice = random.Random(154)
    return [round(dice.uniform(30, 3600 - CLIP_SECONDS - 30), 3) for _ in range(count)]


def _row(name: str, seconds: list[float]) -> None:
    p50, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
    print(f"  {name:36} {p50 * 1000:7.0f} {p95 * 1000:7.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=50)
    arguments = parser.parse_args()
    recording = hour_of_1080p()
    one_at_a_time(recording, arguments.clips)
    many_at_once(recording, arguments.clips)


if __name__ == "__main__":
    main()
