"""Stands for GPUs of Intel or AMD on machines without: a program in front of the real ffmpeg.

It reads the options as a driver would, refuses what its GPUs do not support in ffmpeg's words, and
otherwise has the CPU encode. So it shows what the engine does with such encoders, not what the encoders do.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAILED = 234
_INSTEAD = {
    "h264": ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-forced-idr", "1"],
    "hevc": [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=error",
        "-forced-idr",
        "1",
    ],
}
_OF_THE_GPU = {
    "-c:v", "-rc_mode", "-qp", "-global_quality", "-q:v", "-b:v", "-forced_idr", "-profile:v", "-preset",
    "-vaapi_device", "-init_hw_device",
}  # fmt: skip
_MODES = {"-global_quality": "ICQ", "-q:v": "CQP", "-qp": "CQP", "-b:v": "VBR"}


@dataclass(frozen=True)
class Gpus:
    """The program, and what it was asked for."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "ffmpeg"

    @property
    def encodes(self) -> list[dict[str, Any]]:
        """Each encode on a GPU: `encoder`, `gpu`, `mode`, `trial`."""
        try:
            return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def fail(self, what: str) -> None:
        """From now on encodes fail whose target's path has `what` in it."""
        (self.folder / "failing").write_text(what)

    def write_nonsense(self) -> None:
        """From now on what trials write can't be decoded."""
        (self.folder / "unreadable").touch()


def make_gpus(folder: Path, ffmpeg: Path, modes: Mapping[int, Sequence[str]]) -> Gpus:
    """`modes`: the rate modes of each GPU, by its number."""
    there = {"ffmpeg": str(ffmpeg), "modes": {str(gpu): list(names) for gpu, names in modes.items()}}
    (folder / "gpus.json").write_text(json.dumps(there))
    program = folder / "ffmpeg"
    program.write_text(
        f"#!{sys.executable} -SE\nimport sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        f"from tests.support import gpus\ngpus.main({str(folder)!r})\n"
    )
    program.chmod(0o755)
    for gpu in modes:
        (folder / f"renderD{128 + gpu}").symlink_to("/dev/null")
    return Gpus(folder)


def main(folder: str) -> None:
    """The program."""
    there = json.loads((Path(folder) / "gpus.json").read_text())
    arguments = sys.argv[1:]
    encoder = _value(arguments, "-c:v") or ""
    codec, _, kind = encoder.partition("_")
    if kind in ("qsv", "vaapi"):
        arguments = _encode(Path(folder), there["modes"], arguments, codec, kind)
    os.execv(there["ffmpeg"], [there["ffmpeg"], *arguments])


def _encode(
    folder: Path, gpus: Mapping[str, Sequence[str]], arguments: list[str], codec: str, kind: str
) -> list[str]:
    """The arguments for the CPU."""
    device = _value(arguments, "-vaapi_device" if kind == "vaapi" else "-init_hw_device") or ""
    named = re.search(r"/renderD(\d+)$", device)
    gpu = str(int(named[1]) - 128) if named else ""
    if gpu not in gpus:
        _fail(f"[VAAPI @ 0x5] No VA display found for device {device}.", "Device creation failed: -22.")
    graph = _value(arguments, "-filter_complex") or ""
    end = r"format=nv12\[s\d+\];\[s\d+\]setparams=[^\[;]*range=tv\[(s\d+)\]"
    end += r";\[\1\]hwupload\[(s\d+)\]" if kind == "vaapi" else ""
    found = re.search(end, graph)
    if found is None or f"[{found[found.re.groups]}]" not in arguments:
        _fail(f"[{codec}_{kind} @ 0x5] frames that the GPU can't take: {graph}")
    (mode,) = {mode for option, mode in _MODES.items() if option in arguments}
    if kind == "vaapi" and _value(arguments, "-rc_mode") != mode:
        _fail(f"[{codec}_{kind} @ 0x5] rc_mode is not {mode}")
    if mode not in gpus[gpu]:
        names = ", ".join(gpus[gpu])
        _fail(
            f"[{codec}_{kind} @ 0x5] Driver does not support {mode} RC mode (supported modes: {names})."
            if kind == "vaapi"
            else f"[{codec}_{kind} @ 0x5] Selected ratecontrol mode is unsupported"
        )
    target = [word for word in arguments if word.startswith("file:")][-1]
    said = {
        "encoder": f"{codec}_{kind}",
        "gpu": int(gpu),
        "mode": mode,
        "trial": "/fd/" in target,
    }
    with (folder / "log").open("a") as log:
        log.write(json.dumps(said) + "\n")
    if said["trial"] and (folder / "unreadable").exists():
        Path(target.removeprefix("file:")).write_bytes(b"no MP4")
        print(f"frame={_value(arguments, '-frames:v')}")
        sys.exit(0)
    failing = folder / "failing"
    if failing.exists() and failing.read_text() in target:
        _fail(f"[{codec}_{kind} @ 0x5] Encode failed: -5.", "Conversion failed: Input/output error")
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in _OF_THE_GPU:
            next(words)
        else:
            kept.append(word.replace("]hwupload[", "]null[") if word == graph else word)
    at = len(kept) - 1 - kept[::-1].index(target)
    return [*kept[:at], *_INSTEAD[codec], *kept[at:]]


def _value(arguments: Sequence[str], option: str) -> str | None:
    return arguments[arguments.index(option) + 1] if option in arguments else None


def _fail(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr)
    sys.exit(FAILED)
