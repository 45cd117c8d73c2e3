"""Long recordings for the benchmarks, generated once and cached."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Literal, get_args

from agent.cutting import find_ffmpeg

UNIT_SECONDS = 60
CACHE = Path(os.environ.get("CLIPPING_BENCH_CACHE", Path(tempfile.gettempdir()) / "clipping-bench"))

Kind = Literal["mp4", "fragmented mp4", "mkv", "mkv without cues", "ts"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SUFFIXES: dict[Kind, str] = {"mkv": ".mkv", "mkv without cues": ".mkv", "ts": ".ts"}
MEGABITS = 8
_BYTES_A_MINUTE_AND_MEGABIT = 10 << 20
_TO_SPARE = 8 << 30


def long_recording(kind: Kind, minutes: int, megabits: int = MEGABITS) -> Path:
    """A repeated minute of 1080p30 H.264 with a keyframe every 2 s, and AAC at 160 kbit/s.

    `megabits`: of video a second; at 8 a minute takes 62 MB. Generated unless it is cached.
    """
    rate = "" if megabits == MEGABITS else f"-{megabits}mbit"
    path = CACHE / f"1080p-{minutes}min{rate}-{kind.replace(' ', '-')}{_SUFFIXES.get(kind, '.mp4')}"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    status = os.statvfs(CACHE)
    if status.f_bavail * status.f_frsize < minutes * megabits * _BYTES_A_MINUTE_AND_MEGABIT + _TO_SPARE:
        raise SystemExit(f"not enough disk space for {path}")
    print(f"generating {path} (once, takes minutes)…", flush=True)
    loops = minutes * 60 // UNIT_SECONDS - 1
    arguments = ["-stream_loop", str(loops), "-i", str(_unit(megabits)), "-c", "copy"]
    part = path.with_suffix(f".part{path.suffix}")
    if kind == "mkv without cues":
        # Non-seekable output has no index, as from a recorder that lost power.
        with part.open("wb") as output:
            _ffmpeg(*arguments, "-f", "matroska", "pipe:1", output=output.fileno())
    elif kind == "fragmented mp4":
        _ffmpeg(*arguments, "-movflags", "frag_keyframe+empty_moov+default_base_moof", str(part))
    else:
        _ffmpeg(*arguments, str(part))
    descriptor = os.open(part, os.O_RDONLY)
    os.fsync(descriptor)  # only clean pages can be evicted from the page cache
    os.close(descriptor)
    part.rename(path)
    return path


def _unit(megabits: int) -> Path:
    unit = CACHE / ("unit-1080p.mp4" if megabits == MEGABITS else f"unit-1080p-{megabits}mbit.mp4")
    if unit.exists():
        return unit
    part, rate = unit.with_suffix(".part.mp4"), f"{megabits}M"
    video = f"testsrc2=size=1920x1080:rate=30:duration={UNIT_SECONDS},noise=alls=12:allf=t"
    audio = f"sine=frequency=440:beep_factor=4:sample_rate=48000:duration={UNIT_SECONDS}"
    _ffmpeg(
        *("-f", "lavfi", "-i", video, "-f", "lavfi", "-i", audio),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60", "-sc_threshold", "0"),
        *("-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate, "-nal-hrd", "cbr"),
        *("-c:a", "aac", "-b:a", "160k", str(part)),
    )
    part.rename(unit)
    return unit


def _ffmpeg(*arguments: str, output: int | None = None) -> None:
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, stdout=output, check=True, timeout=3600)
