"""Long recordings for the benchmarks, made once and kept in a cache folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from agent.cutting import find_ffmpeg

UNIT_SECONDS = 60
CACHE = Path(os.environ.get("CLIPPING_BENCH_CACHE", Path(tempfile.gettempdir()) / "clipping-bench"))


def hour_of_1080p() -> Path:
    """One hour of 1080p30 H.264 at 8 Mbit/s with a keyframe every 2 s, and AAC, in MP4: 3.6 GB."""
    path = CACHE / "hour-1080p.mp4"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    unit, part = CACHE / "unit-1080p.mp4", path.with_suffix(".part.mp4")
    print(f"making {path} (once, some minutes)…", flush=True)
    picture = f"testsrc2=size=1920x1080:rate=30:duration={UNIT_SECONDS},noise=alls=12:allf=t"
    sound = f"sine=frequency=440:beep_factor=4:sample_rate=48000:duration={UNIT_SECONDS}"
    _ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60", "-sc_threshold", "0"),
        *("-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "8M", "-nal-hrd", "cbr"),
        *("-c:a", "aac", "-b:a", "160k", str(unit)),
    )
    loops = 3600 // UNIT_SECONDS - 1
    _ffmpeg("-stream_loop", str(loops), "-i", str(unit), "-c", "copy", "-movflags", "+faststart", str(part))
    part.rename(path)
    return path


def _ffmpeg(*arguments: str) -> None:
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=1800)
