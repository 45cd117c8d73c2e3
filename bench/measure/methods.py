"""The ways of cutting that are held against each other: our engine's modes and its rivals."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

from agent.cutting import CutSpec, Engine, find_ffmpeg
from bench.measure.points import Cut
from bench.recording import CACHE
from clipping.contract.messages import Mode
from clipping.contract.report import Report
from clipping.errors import ClippingError, PermanentError

OURS: tuple[Mode, ...] = get_args(Mode)
FFMPEG, SMARTCUT = "ffmpeg -c copy", "smartcut"
RIVALS = (FFMPEG, SMARTCUT)
SMARTCUT_VERSION = "1.7"
_EARLIER = Fraction(1, 2000)
"""Rivals get both points half a millisecond earlier, so that their rounding costs them no frame."""
_SECONDS = 300


@dataclass(frozen=True)
class Try:
    """What a method gave: a clip, or why there is none."""

    clip: Path | None
    refused: str = ""
    """Our error code, or the last words of a rival."""
    report: Report | None = None
    clearly: bool = False
    """Refused for what the request or the recording is; not for a fault of ours that may pass."""


def ours(engine: Engine, mode: Mode, source: Path, cut: Cut, folder: Path) -> Try:
    """The engine's clip."""
    spec = CutSpec(source, cut.begin, cut.end, mode, "high")
    try:
        clip = engine.cut(spec, folder, progress=lambda *_: None)
    except ClippingError as error:
        return Try(None, error.code, clearly=isinstance(error, PermanentError))
    return Try(clip.path, report=clip.report)


def rival(method: str, source: Path, cut: Cut, shift: Fraction, folder: Path) -> Try:
    """A rival's clip: as MP4, else in the recording's own container. `shift` turns our zero into theirs."""
    begin, end = (str(float(round(max(p + shift - _EARLIER, Fraction(0)), 6))) for p in (cut.begin, cut.end))
    last = Try(None)
    for suffix in dict.fromkeys([".mp4", source.suffix]):
        target = folder / f"{method.split()[0]}{suffix}"
        command = [str(smartcut()), str(source), str(target), "--keep", f"{begin},{end}"]
        if method == FFMPEG:
            command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y"]
            command += ["-ss", begin, "-to", end, "-i", str(source), "-c", "copy", str(target)]
        last = _run(command, target)
        if last.clip is not None:
            break
    return last


def _run(command: list[str], target: Path) -> Try:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Try(None, f"not done in {_SECONDS} s")
    if done.returncode == 0 and target.exists():
        return Try(target)
    words = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
    return Try(None, words[-1][:80])


def smartcut() -> Path:
    """The rival's command, installed into an environment of its own: it wants another PyAV than we do."""
    folder = CACHE / f"smartcut-{SMARTCUT_VERSION}"
    command = folder / "bin" / "smartcut"
    if not command.exists():
        print(f"installing smartcut {SMARTCUT_VERSION} into {folder} (once)…", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        wanted = f"smartcut=={SMARTCUT_VERSION}"
        subprocess.run([*pip, wanted], check=True, timeout=600, env=environment)
    return command
