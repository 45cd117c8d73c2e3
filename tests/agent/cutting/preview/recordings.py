"""The kinds of recordings that previews are tested with, and what a player shows of them."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from functools import cache
from pathlib import Path

import av

from agent.cutting import find_ffmpeg
from tests.support.media import Recording, make, shown_frames

_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-sc_threshold", "0")
_JITTER = (
    "settb=1/90000,setpts=trunc((N/25+0.011*sin(N))*90000),select='gt(mod(n*7\\,11)\\,2)',format=yuv420p"
)
LONG_GOP = Recording(gop=250)
TS = Recording("ts", gop=100)
MKV = Recording("mkv", gop=100)
FRAGMENTED = Recording(video=(*_X264, "-g", "100", "-movflags", "frag_keyframe+empty_moov"))
OPEN_GOP = Recording(open_gop=True)
VARIABLE = Recording(
    filters=_JITTER,
    video=(*_X264, "-g", "100", "-bf", "3", "-fps_mode", "passthrough", "-enc_time_base", "1:90000"),
)
SILENT = Recording(audio=())
HEVC = Recording(
    video=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=100")
)
MPEG2 = Recording("ts", video=("-c:v", "mpeg2video", "-g", "12", "-bf", "2"), audio=("mp2",))
ONLY_AUDIO = Recording("m4a", video=())
COPIED = {
    "long GOP": LONG_GOP,
    "TS": TS,
    "MKV": MKV,
    "fragmented": FRAGMENTED,
    "open GOP": OPEN_GOP,
    "variable rate": VARIABLE,
    "no audio": SILENT,
}
ENCODED = {"HEVC": HEVC, "MPEG-2": MPEG2}


@cache
def reference(path: Path) -> dict[Fraction, int]:
    """When each frame is shown by a player, and its number."""
    with av.open(str(path)) as container:
        starts = [s.start_time * s.time_base for s in container.streams if s.start_time is not None]
        zero = Fraction(0) if container.format.name.startswith("mov,") else min(starts)
    return {time - zero: number for time, number in shown_frames(path)}


def changed(recording: Recording, folder: Path, *options: str, before: tuple[str, ...] = ()) -> Path:
    """A copy of the recording's packets into another file, with ffmpeg's options."""
    source = make(recording)
    target = folder / f"changed{source.suffix}"
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y", *before, "-i", str(source)]
    subprocess.run([*command, "-c", "copy", *options, str(target)], check=True, timeout=60)
    return target
