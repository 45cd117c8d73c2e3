"""Generates and caches recordings whose frames carry their number and whose audio ticks every second."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.cutting import find_ffmpeg
from bench.measure.strip import draw
from bench.measure.ticks import ticking
from bench.recording import CACHE

SECONDS = 26
_RATE = 48000
_FOLDER = CACHE / "numbered-1"
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-pix_fmt", "yuv420p")
_HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "30", "-x265-params")
_CLOSED, _OPEN = (
    "keyint=60:open-gop=0:bframes=3:log-level=error",
    "keyint=60:open-gop=1:bframes=3:log-level=error",
)
_AAC = ("-c:a", "aac", "-b:a", "128k")


@dataclass(frozen=True)
class Recipe:
    """The parameters of one recording."""

    name: str
    arguments: tuple[str, ...]
    """Output options of ffmpeg."""
    rate: str = "30"
    size: tuple[int, int] = (640, 360)
    audio_tracks: int = 1
    filters: str = "null"


RECIPES = (
    Recipe("h264-closed-gop.mp4", (*_H264, "-g", "60", *_AAC)),
    Recipe("h264-open-gop.mp4", (*_H264, "-g", "48", "-x264-params", "open-gop=1:bframes=3", *_AAC)),
    Recipe(
        "h264-pyramid-refs.mkv", (*_H264, "-g", "90", "-bf", "8", "-refs", "6", "-b_strategy", "2", *_AAC)
    ),
    Recipe("h264-gop-250.29.97.mp4", (*_H264, "-g", "250", *_AAC), rate="30000/1001"),
    Recipe("h264-59.94.ts", (*_H264, "-g", "120", *_AAC), rate="60000/1001"),
    Recipe("h264-fragmented.mp4", (*_H264, "-g", "60", *_AAC, "-movflags", "frag_keyframe+empty_moov")),
    Recipe(
        "h264-interlaced.ts",
        (*_H264, "-g", "50", "-flags", "+ildct+ilme", "-x264-params", "tff=1", "-c:a", "ac3"),
        rate="25",
        size=(720, 576),
    ),
    Recipe(
        "h264-variable-rate.mp4",
        (*_H264, "-g", "60", *_AAC, "-fps_mode", "passthrough", "-enc_time_base", "1:90000"),
        filters=(
            "settb=1/90000,setpts=trunc((N/30+0.011*sin(N))*90000),"
            "select='gt(mod(n*7\\,11)\\,2)*not(between(mod(n\\,120)\\,70\\,85))'"
        ),
    ),
    Recipe(
        "h264-variable-rate.mkv",
        (*_H264, "-g", "60", *_AAC, "-fps_mode", "passthrough", "-enc_time_base", "1:1000"),
        filters="settb=1/1000,setpts=trunc((N/30+0.011*sin(N))*1000),select='gt(mod(n*7\\,11)\\,2)'",
    ),
    Recipe(
        "h264-four-audio-tracks.mkv",
        (
            *(*_H264, "-g", "60", "-c:a:0", "aac", "-c:a:1", "ac3", "-c:a:2", "pcm_s16le"),
            *("-c:a:3", "libopus", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
        ),
        audio_tracks=4,
    ),
    Recipe("hevc-8-bit.mp4", (*_HEVC, _CLOSED, "-pix_fmt", "yuv420p", *_AAC)),
    Recipe("hevc-open-gop.ts", (*_HEVC, _OPEN, "-pix_fmt", "yuv420p", *_AAC)),
    Recipe("hevc-10-bit.mp4", (*_HEVC, _OPEN, "-pix_fmt", "yuv420p10le", *_AAC)),
    Recipe(
        "mpeg2-interlaced.ts",
        (
            *("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-vf", "setfield=tff", "-g", "12", "-bf", "2"),
            *("-b:v", "5M", "-c:a", "mp2", "-b:a", "192k"),
        ),
        rate="25",
        size=(720, 576),
    ),
    Recipe("prores.mov", ("-c:v", "prores_ks", "-profile:v", "1", "-c:a", "pcm_s16le"), rate="24"),
    Recipe(
        "dv.mov", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le"), rate="25", size=(720, 576)
    ),
    Recipe(
        "dv.avi", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le"), rate="25", size=(720, 576)
    ),
    Recipe(
        "vp9.webm",
        ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "60", "-c:a", "libopus"),
    ),
)


def made(recipe: Recipe) -> Path:
    """The recording, generated unless it is cached."""
    path = _FOLDER / recipe.name
    if not path.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_FOLDER) as folder:
            part = Path(folder) / recipe.name
            _make(recipe, part)
            part.rename(path)
    return path


def _make(recipe: Recipe, target: Path) -> None:
    tone = target.with_suffix(".wav")
    _write_audio(tone)
    width, height = recipe.size
    command = [str(find_ffmpeg(None)), "-v", "error", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", recipe.rate, "-i", "pipe:0"]
    command += ["-i", str(tone), "-map", "0:v", *("-map", "1:a") * recipe.audio_tracks]
    command += ["-vf", recipe.filters, *recipe.arguments, str(target)]
    ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert ffmpeg.stdin is not None
    with ffmpeg.stdin as pipe:
        for frame in _frames(recipe):
            pipe.write(frame)
    if ffmpeg.wait(300) != 0:
        raise SystemExit(f"{recipe.name} could not be generated")


def _frames(recipe: Recipe) -> Iterator[bytes]:
    """Raw 4:2:0 frames: a moving texture, some grain, and the frame's number."""
    width, height = recipe.size
    above, below = (int(part) for part in [*recipe.rate.split("/"), "1"][:2])
    dice = np.random.default_rng(7)
    texture = np.kron(dice.integers(60, 190, (height // 8 * 2, width // 8 * 2)), np.ones((8, 8))).astype(
        np.uint8
    )
    grain = dice.integers(0, 7, (height * 2, width * 2)).astype(np.uint8)
    for number in range(SECONDS * above // below):
        x, y = number * 5 % width, number * 3 % height
        luma = texture[y : y + height, x : x + width].copy()
        x, y = number * 173 % width, number * 97 % height
        luma += grain[y : y + height, x : x + width]
        draw(luma, number)
        chroma = np.full(height // 2 * (width // 2), 108 + number % 40, np.uint8)
        yield luma.tobytes() + chroma.tobytes() + chroma[::-1].tobytes()


def _write_audio(path: Path) -> None:
    samples = ticking(SECONDS, _RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes((np.stack([samples, samples], 1) * 32767).astype("<i2").tobytes())
