"""The recordings of a soak test: good ones, and one of each kind of defect."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from agent.cutting import find_ffmpeg
from tests.support.media import Recording, make

MARKER = ".mounted"
GOOD = ("night.mp4", "night.mkv", "night.ts")
GOOD_SECONDS = 60
GOP_SECONDS = 2.0
SPARSE_SECONDS = 50
"""Five seconds of motion, forty of one still frame, five of motion."""
_HOLE = 40_000


@dataclass(frozen=True)
class Roots:
    """Two folders with the same recordings; a marker file shows that `marked` is mounted."""

    marked: Path
    plain: Path

    @property
    def all(self) -> tuple[Path, Path]:
        return self.marked, self.plain


def prepare(folder: Path) -> Roots:
    """Generate the recordings in `folder`."""
    marked, plain = folder / "nas-1", folder / "nas-2"
    for root in (marked, plain):
        root.mkdir()
    (marked / MARKER).touch()
    outside = folder / "outside.mp4"
    for extension in ("mp4", "mkv", "ts"):
        shutil.copy(make(Recording(extension, GOOD_SECONDS)), marked / f"night.{extension}")
    shutil.copy(marked / "night.mp4", outside)
    _sparse(marked / "sparse.mp4")
    whole = (marked / "night.mp4").read_bytes()
    middle = len(whole) // 2
    (marked / "damaged.mp4").write_bytes(whole[:middle] + bytes(_HOLE) + whole[middle + _HOLE :])
    (marked / "truncated.mp4").write_bytes(whole[: len(whole) // 3])
    (marked / "garbage.mp4").write_bytes(os.urandom(50_000))
    shutil.copy(make(Recording("mp4", 12, video=())), marked / "audio-only.mp4")
    (marked / "elsewhere.mp4").symlink_to(outside)
    for path in marked.glob("*.*4"):
        shutil.copy(path, plain / path.name, follow_symlinks=False)
    for path in marked.glob("night.*"):
        shutil.copy(path, plain / path.name)
    return Roots(marked, plain)


def _sparse(path: Path) -> None:
    """Variable frame rate: the frame at 5 s lasts forty seconds."""
    still = SPARSE_SECONDS - 10
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-y", "-f", "lavfi"]
    command += ["-i", "testsrc2=size=320x180:rate=25:duration=10", "-f", "lavfi"]
    command += ["-i", f"sine=frequency=440:sample_rate=48000:duration={SPARSE_SECONDS}"]
    command += ["-vf", f"setpts='if(lt(N,125),N/25,N/25+{still})/TB'", "-fps_mode", "passthrough"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", "0", "-c:a", "aac", str(path)]
    subprocess.run(command, check=True, timeout=60)
