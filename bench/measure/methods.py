"""The cutting methods to compare: the engine's modes and rival tools."""

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
from clipping.contract.choices import Mode
from clipping.contract.report import Report
from clipping.errors import ClippingError, PermanentError

OURS: tuple[Mode, ...] = get_args(Mode)
FFMPEG, SMARTCUT = "ffmpeg -c copy", "smartcut"
RIVALS = (FFMPEG, SMARTCUT)
SMARTCUT_VERSION = "1.7"
_EARLIER = Fraction(1, 2000)
"""Rivals get both points half a millisecond earlier, so that rounding does not cost them a frame."""
_SECONDS = 300


@dataclass(frozen=True)
class Try:
    """The result of a method: a clip, or the reason for its absence."""

    clip: Path | None
    refused: str = ""
    """The engine's error code, or a rival's last line of output."""
    report: Report | None = None
    clearly: bool = False
    """A permanent error, caused by the request or the recording; not a transient one."""


def ours(engine: Engine, mode: Mode, source: Path, cut: Cut, folder: Path) -> Try:
    """Cut a clip with the engine."""
    spec = CutSpec(source, cut.begin, cut.end, mode, "high")
    try:
        clip = engine.cut(spec, folder, progress=lambda *_: None)
    except ClippingError as error:
        return Try(None, error.code, clearly=isinstance(error, PermanentError))
    return Try(clip.path, report=clip.report)


def rival(method: str, source: Path, cut: Cut, shift: Fraction, folder: Path) -> Try:
    """Cut a clip with a rival: as MP4, or else in the recording's container. `shift` converts to the rival's
    time 0."""
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
        return Try(None, f"timed out after {_SECONDS} s")
    if done.returncode == 0 and target.exists():
        return Try(target)
    words = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
    return Try(None, words[-1][:80])


def smartcut() -> Path:
    """Path of the smartcut command. It is installed into its own environment, because it needs another PyAV
    version."""
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
