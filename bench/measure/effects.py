"""The methods that `bench.effects` compares, for the same part of a recording."""

from __future__ import annotations

import importlib
import importlib.util
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from agent.cutting import CutSpec, find_ffmpeg
from agent.cutting.cut import run_cut
from agent.cutting.plan.encoders import Choice
from agent.cutting.plan.spec import Order
from agent.cutting.process.context import Context
from agent.cutting.reading.source import open_path
from clipping.contract.choices import Quality
from clipping.contract.effects import Effects
from clipping.contract.output import Output

Method = Callable[[], None]
_BEGIN = Fraction("241.23")
_RATE = 30
WIDTH, HEIGHT = 1080, 1920


@dataclass(frozen=True)
class Case:
    """A clip, by the engine's request and by options of plain ffmpeg."""

    name: str
    preset: str
    quality: Quality = "high"
    crop: bool = False
    """Whether a window moves; that of plain ffmpeg moves by whole pixels."""
    effect: str | None = None
    """Of a highlight that moves."""
    captions: bool = False
    """Whether captions are burned in, one after the other, 2.5 seconds each."""
    shape: bool = False
    """Whether it is a 9:16 short without keyframes, by the same filters in both."""
    seconds: int | None = None
    """Its own length."""


CASES = (
    Case("crop and original", "slow", crop=True, effect="original"),
    Case("crop", "slow", crop=True),
    Case("original", "veryfast", effect="original"),
    Case("spotlight", "veryfast", effect="spotlight"),
    Case("blur", "veryfast", effect="blur"),
    Case("no effects", "veryfast"),
    Case("captions", "veryfast", captions=True),
    Case("short with captions", "slow", shape=True, captions=True),
    Case("short, high", "slow", shape=True, seconds=60),
    Case("short, medium", "fast", quality="medium", shape=True, seconds=60),
)


def methods(source: Path, case: Case, seconds: int, folder: Path) -> Mapping[str, Method]:
    """By name; each writes one file to `folder`."""
    found: dict[str, Method] = {
        "plain": lambda: _plain(source, case, seconds, folder / "plain.mp4"),
        "ours": lambda: _ours(source, case, seconds, folder),
    }
    if not (case.shape or case.captions) and importlib.util.find_spec("cv2") is not None:
        found["loop"] = lambda: _loop(source, case, seconds, folder / "loop.mp4")
    return found


def effects_of(case: Case, seconds: int) -> Effects:
    """What the engine is asked for."""
    tree: dict[str, Any] = {}
    if case.crop:
        window = {"y": 0.0, "width": 607.5, "height": 1080.0}
        ends = [{"time": 0.0, "x": 100.0, **window}, {"time": float(seconds), "x": 1300.0, **window}]
        tree["framing"] = {"keyframes": ends}
    if case.effect is not None:
        ellipse = {"y": 540.0, "radiusX": 65.0, "radiusY": 130.0, "opacity": 0.3}
        ends = [{"time": 0.0, "x": 400.0, **ellipse}, {"time": float(seconds), "x": 1600.0, **ellipse}]
        region = {"start_time": 0.0, "end_time": float(seconds), "keyframes": ends}
        tree["overlay"] = {"effect_type": case.effect, "regions": [region]}
    if case.captions:
        tree["captions"] = {"format": "vtt", "text": _captions(seconds), "mode": "burn"}
    return Effects.model_validate(tree)


def _captions(seconds: int) -> str:
    def clock(at: float) -> str:
        return f"{int(at) // 60:02}:{at % 60:06.3f}"

    starts = [2.5 * number for number in range(int(seconds / 2.5))]
    cues = [
        f"{clock(at)} --> {clock(at + 2.5)}\nAll in on the river, {number}\nwith 축구 and two more lines"
        for number, at in enumerate(starts)
    ]
    return "\n\n".join(["WEBVTT", *cues])


def _ours(source: Path, case: Case, seconds: int, folder: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threading.Thread(target=_drain, args=(theirs,), daemon=True).start()
    output = Output(aspect="9:16") if case.shape else Output()
    with open_path(source) as file:
        spec = CutSpec(
            source, _BEGIN, _BEGIN + seconds, "encode", case.quality, output, effects_of(case, seconds)
        )
        order = Order(spec, file.identity, folder, "clip", find_ffmpeg(None), Choice("libx264", ()))
        clip = run_cut(Context(ours), file.descriptor, order)
    # The recording is a repeated minute, and may lack a frame where two meet.
    if abs(clip.report.frames - seconds * _RATE) > 1 + seconds // 60 or clip.report.warnings:
        raise SystemExit(f"{clip.report.frames} frames, {clip.report.warnings}")


def _drain(channel: socket.socket) -> None:
    while channel.recv(1 << 16):
        pass


def _plain(source: Path, case: Case, seconds: int, target: Path) -> None:
    filters = []
    if case.crop or case.shape:
        x = f"100+1200*t/{seconds}" if case.crop else "656"
        filters = ["-vf", f"crop=606:1080:{x}:0,scale={WIDTH}:{HEIGHT}:flags=lanczos,setsar=1"]
    subprocess.run([*_command(source, seconds), *filters, *_encoder(case), str(target)], check=True)


def _command(source: Path, seconds: int) -> list[str]:
    return [
        *(str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-ss", str(float(_BEGIN)), "-t", str(seconds)),
        *("-i", str(source)),
    ]


def _encoder(case: Case) -> list[str]:
    high = case.quality == "high"
    rate = (7_400_000 if high else 3_600_000) if case.preset != "veryfast" else None
    capped = [] if rate is None else ["-maxrate", str(rate), "-bufsize", str(rate)]
    return [
        *("-c:v", "libx264", "-preset", case.preset, "-crf", "18" if high else "23", "-profile:v", "high"),
        *("-pix_fmt", "yuv420p", *capped),
        *("-c:a", "aac", "-b:a", "192k" if high else "128k", "-movflags", "+faststart"),
    ]


def _loop(source: Path, case: Case, seconds: int, target: Path) -> None:
    cv2: Any = importlib.import_module("cv2")
    width, height = (WIDTH, HEIGHT) if case.crop else (1920, 1080)
    command = [
        *(str(find_ffmpeg(None)), "-v", "error", "-f", "rawvideo", "-pix_fmt", "bgr24"),
        *("-s", f"{width}x{height}", "-r", str(_RATE), "-i", "pipe:0"),
        *_command(source, seconds)[4:],
        *("-map", "0:v", "-map", "1:a", *_encoder(case), str(target)),
    ]
    frames = cv2.VideoCapture(str(source))
    frames.set(cv2.CAP_PROP_POS_MSEC, float(_BEGIN) * 1000)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for number in range(seconds * _RATE):
            good, frame = frames.read()
            if not good:
                raise SystemExit("the loop has no further frames")
            share = number / (seconds * _RATE)
            if case.effect is not None:
                frame = _drawn(cv2, frame, case.effect, (int(400 + 1200 * share), 540))
            if case.crop:
                x = int(100 + 1200 * share)
                frame = cv2.resize(frame[:, x : x + 607], (width, height), interpolation=cv2.INTER_LANCZOS4)
            encoder.stdin.write(np.ascontiguousarray(frame).data)
        encoder.stdin.close()
        if encoder.wait() != 0:
            raise SystemExit("the loop's ffmpeg failed")


def _drawn(cv2: Any, frame: Any, effect: str, centre: tuple[int, int]) -> Any:
    axes = (65, 130)
    if effect == "original":
        filled = frame.copy()
        cv2.ellipse(filled, centre, axes, 0, 0, 360, (0, 255, 255), -1)
        frame = cv2.addWeighted(filled, 0.3, frame, 0.7, 0)
        outlined = frame.copy()
        cv2.ellipse(outlined, centre, axes, 0, 0, 360, (0, 255, 255), 3)
        return cv2.addWeighted(outlined, 0.6, frame, 0.4, 0)
    mask = np.zeros(frame.shape[:2], np.float32)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (21, 21), 0)[..., None]
    behind = cv2.GaussianBlur(frame, (51, 51), 0) if effect == "blur" else frame * 0.3
    return (frame * mask + behind * (1 - mask)).astype(np.uint8)
