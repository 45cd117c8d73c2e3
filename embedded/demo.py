"""`scripts/demo`: cuts a clip from a recording and downloads it by its link, on this machine alone.

Generates a recording of ten minutes with a running clock and a beep each second, starts the real stack
(`clipping up`), requests a clip over HTTP, polls its status, downloads it by its signed link, and verifies
the file."""

from __future__ import annotations

import argparse
import hashlib
import json
import select
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import requests

from agent.cutting import find_ffmpeg
from clipping.exits import EXIT_FAILED, EXIT_OK
from clipping.timecode import format_seconds

RECORDING_SECONDS = 600
IN_POINT, OUT_POINT = "4:15.2", "5:05.2"
HTTP_SECONDS = 10.0
START_SECONDS = 240.0
CLIP_SECONDS = 120.0


class DemoFailed(Exception):
    """The demo failed. The message is for the user."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--started", type=float, default=time.time(), help="Unix time from which the total is measured"
    )
    parser.add_argument("--data", type=Path, default=Path("demo-data"), metavar="DIR")
    arguments = parser.parse_args()
    try:
        _demo(arguments.data.resolve(), arguments.started)
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK


def _demo(data: Path, started: float) -> None:
    recordings = data / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    recording = recordings / "poker-night.mp4"
    if not recording.exists():
        minutes = RECORDING_SECONDS // 60
        _log(f"Generating a recording of {minutes} minutes, with a clock and a beep each second…")
        _record(recording)
    _log("Starting the service: Pub/Sub server, API, a leading agent and a standby…")
    command = [sys.executable, "-m", "clipping.cli", "up", "--json", "--port", "0"]
    command += ["--data", str(data / "stack"), "--nas-root", str(recordings)]
    stack = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        where = _ready(stack)
        agent = where["agents"][0]
        _log(f"  API at {where['api_url']}, {agent['agent_id']} at {agent['health_url']}")
        status, seconds = _clip(where, recording)
        clip = _download(status, data)
        _check(clip, status)
    finally:
        _log("Stopping the service…")
        stack.send_signal(signal.SIGTERM)
        stack.wait(60)
    _log(_summary(clip, status))
    total = time.time() - started
    _log(f"From POST to completed: {seconds:.2f} s. Total, including setup: {total:.0f} s.")


def _summary(clip: Path, status: dict[str, Any]) -> str:
    report, minutes = status["report"], RECORDING_SECONDS // 60
    lead, codecs = report["keyframe_lead_seconds"], (report["video"]["codec"], report["audio"][0]["codec"])
    size = status["file_size_bytes"] / 1e6
    return f"""
A clip of {status["duration_seconds"]:.2f} s out of a recording of {minutes} minutes:
  {clip}
  requested {_span(report["requested"])}, cut at {_span(report["actual"])}, without re-encoding
  (a copied clip starts on a keyframe: {lead:.2f} s earlier than requested)
  {report["frames"]} frames of {codecs[0]} with {codecs[1]} audio, {size:.1f} MB
  verified: size, SHA-256, duration, number of frames, first frame at 0, every frame decodes
"""


def _log(line: str) -> None:
    print(line, flush=True)


def _span(span: dict[str, float]) -> str:
    return f"{format_seconds(span['start'])} to {format_seconds(span['end'])}"


def _record(path: Path) -> None:
    part = path.with_suffix(".part.mp4")
    video = f"testsrc2=size=640x360:rate=25:duration={RECORDING_SECONDS}"
    audio = f"sine=frequency=440:beep_factor=4:sample_rate=48000:duration={RECORDING_SECONDS}"
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", video, "-f", "lavfi", "-i", audio]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-g", "50"]
    command += ["-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", str(part)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise DemoFailed(f"ffmpeg could not make the recording: {done.stderr.strip()}")
    part.rename(path)


def _ready(stack: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert stack.stdout is not None
    readable, _, _ = select.select([stack.stdout], [], [], START_SECONDS)
    line = stack.stdout.readline() if readable else b""
    if not line:
        raise DemoFailed("the service did not start; its output is above")
    where: dict[str, Any] = json.loads(line)
    return where


def _clip(where: dict[str, Any], recording: Path) -> tuple[dict[str, Any], float]:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {where['api_key']}"
    body = {
        "hand_id": "hand-154",
        "nas_video_path": str(recording),
        "start_seconds": IN_POINT,
        "end_seconds": OUT_POINT,
    }
    _log(f"POST /v1/clip/request  {json.dumps(body)}")
    begun = time.monotonic()
    answer = session.post(f"{where['api_url']}/v1/clip/request", json=body, timeout=HTTP_SECONDS)
    if answer.status_code != 202:
        raise DemoFailed(f"the API returned {answer.status_code}: {answer.text}")
    accepted = answer.json()
    _log(f"  202 {accepted['request_id']}")
    last = ""
    while time.monotonic() - begun < CLIP_SECONDS:
        status: dict[str, Any] = session.get(accepted["status_url"], timeout=HTTP_SECONDS).json()
        line = f"{status['status']} {status.get('stage', '')} {status.get('progress_percent', 0):.0f} %"
        if line != last:
            _log(f"  {time.monotonic() - begun:5.2f} s  {line}")
            last = line
        if status["status"] == "completed":
            return status, time.monotonic() - begun
        if status["status"] in ("failed", "cancelled"):
            raise DemoFailed(f"the clip {status['status']}: {status.get('error_message')}")
        time.sleep(0.02)
    raise DemoFailed(f"the clip timed out after {CLIP_SECONDS:.0f} s")


def _download(status: dict[str, Any], data: Path) -> Path:
    # The link needs no key.
    answer = requests.get(status["download_url"], timeout=HTTP_SECONDS)
    if answer.status_code != 200:
        raise DemoFailed(f"the download link returned {answer.status_code}: {answer.text}")
    name = answer.headers["Content-Disposition"].partition("filename=")[2].strip('"')
    path = data / name
    path.write_bytes(answer.content)
    _log(f"Downloaded {len(answer.content)} bytes as {name}")
    return path


def _check(clip: Path, status: dict[str, Any]) -> None:
    data = clip.read_bytes()
    if len(data) != status["file_size_bytes"] or hashlib.sha256(data).hexdigest() != status["sha256"]:
        raise DemoFailed("the downloaded file's size or SHA-256 differs from the status")
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        frames = [frame for frame in container.decode(video) if frame.pts is not None]
        times = [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in frames]
        audio_streams = len(container.streams.audio)
    length = (times[-1] - times[0]) + 1 / Fraction(video.average_rate or 25)
    wanted = status["report"]["actual"]["end"] - status["report"]["actual"]["start"]
    if times[0] != 0 or abs(length - Fraction(wanted)) > Fraction(1, 20) or audio_streams != 1:
        raise DemoFailed(
            f"the clip is {float(length):.3f} s long with {audio_streams} audio streams; "
            f"expected {wanted:.3f} s and 1"
        )
    if len(times) != status["report"]["frames"]:
        raise DemoFailed(f"the clip has {len(times)} frames; the report says {status['report']['frames']}")


if __name__ == "__main__":
    sys.exit(main())
