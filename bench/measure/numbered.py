"""Generates long recordings whose frames carry their number: small, of a repeated unit, and cached."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from agent.cutting import find_ffmpeg
from bench.measure.decode import decode_video, number_of, video_stream_of, zero_of
from bench.measure.strip import draw
from bench.recording import CACHE

WIDTH, HEIGHT = 320, 180
RATE = 25
_FOLDER = CACHE / "long-numbered-1"
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-g", "250", "-sc_threshold", "0")
_HEVC = (
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-crf",
    "32",
    "-x265-params",
    "keyint=250:log-level=error",
)
_JITTER = "settb=1/90000,setpts=trunc((N/25+0.011*sin(N))*90000),select='gt(mod(n*7\\,11)\\,2)'"
_VARIABLE = ("-vf", _JITTER, "-fps_mode", "passthrough", "-enc_time_base", "1:90000")
_AAC = ("-c:a", "aac", "-b:a", "64k")


@dataclass(frozen=True)
class Long:
    """A kind of recording."""

    name: str
    unit: str
    """The name of the unit in `_UNITS`."""
    options: tuple[str, ...] = ()
    """Of the container."""


@dataclass(frozen=True)
class _Unit:
    seconds: int
    arguments: tuple[str, ...]


_UNITS = {
    "h264": _Unit(600, _H264),
    "hevc": _Unit(120, _HEVC),
    "variable": _Unit(120, (*_H264, *_VARIABLE)),
}
KINDS = (
    Long("long-gops.mp4", "h264"),
    Long("long-gops.ts", "h264"),
    Long("long-gops.mkv", "h264"),
    Long("fragmented.mp4", "h264", ("-movflags", "frag_keyframe+empty_moov+default_base_moof")),
    Long("hevc.mp4", "hevc"),
    Long("variable-rate.mp4", "variable"),
)


@dataclass(frozen=True)
class Numbered:
    """A recording, and when which frame of it is shown."""

    path: Path
    times: tuple[Fraction, ...]
    """As a player shows them."""
    numbers: tuple[int, ...]


def numbered(kind: Long, minutes: int) -> Numbered:
    """The recording, generated unless it is cached."""
    path = _FOLDER / f"{minutes}min-{kind.name}"
    unit = _unit(kind.unit)
    if not path.exists():
        loops = minutes * 60 // _UNITS[kind.unit].seconds - 1
        part = path.with_name(f"part-{path.name}")
        _ffmpeg("-stream_loop", str(loops), "-i", str(unit), "-c", "copy", *kind.options, str(part))
        part.rename(path)
    times, marks = frame_times(path), _marks(unit)
    return Numbered(path, times, tuple(marks[at % len(marks)] for at in range(len(times))))


def frame_times(path: Path) -> tuple[Fraction, ...]:
    """When the frames are shown, by the packets; without those that an edit list hides."""
    with av.open(f"file:{path}") as container:
        stream = video_stream_of(container)
        zero = zero_of(container)
        shown = {p.pts for p in container.demux(stream) if p.pts is not None and p.size and not p.is_discard}
        return tuple(at * stream.time_base - zero for at in sorted(shown))


@cache
def _marks(unit: Path) -> tuple[int, ...]:
    return tuple(decode_video(unit, number_of).marks)


def _unit(name: str) -> Path:
    path = _FOLDER / f"unit-{name}.mp4"
    if not path.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        unit, part = _UNITS[name], path.with_name(f"part-{path.name}")
        command = [str(find_ffmpeg(None)), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"]
        command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "pipe:0"]
        command += ["-f", "lavfi", "-t", str(unit.seconds), "-i", "sine=frequency=440:sample_rate=48000"]
        ffmpeg = subprocess.Popen([*command, *unit.arguments, *_AAC, str(part)], stdin=subprocess.PIPE)
        assert ffmpeg.stdin is not None
        with ffmpeg.stdin as pipe:
            for frame in _frames(unit.seconds * RATE):
                pipe.write(frame)
        if ffmpeg.wait(600) != 0:
            raise SystemExit(f"{path.name} could not be generated")
        part.rename(path)
    return path


def _frames(count: int) -> Iterator[bytes]:
    dice = np.random.default_rng(3)
    texture = np.kron(dice.integers(60, 190, (HEIGHT // 8, WIDTH // 8)), np.ones((8, 8))).astype(np.uint8)
    texture = np.pad(texture, ((0, HEIGHT - texture.shape[0]), (0, WIDTH - texture.shape[1])))
    chroma = bytes([128]) * (HEIGHT // 2 * (WIDTH // 2) * 2)
    for number in range(count):
        luma = np.roll(texture, number * 2 % WIDTH, 1)
        draw(luma, number)
        yield luma.tobytes() + chroma


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(
        [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y", *arguments], check=True, timeout=900
    )
