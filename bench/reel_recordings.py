"""`python -m bench.reel_recordings FOLDER`: reels of real recordings, and what of them is copied.

Three parts of each H.264 recording in FOLDER that is long enough, with dissolves, in mode `smart`. Of each
reel: how it was made, how many of its frames have the recording's data, byte for byte, against how many
frames the report says were copied; and whether ffmpeg decodes it with every error being fatal."""

from __future__ import annotations

import argparse
import collections
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from agent.cutting import Clip, Engine, EngineSettings, PartSpec, ReelSpec, find_ffmpeg
from agent.cutting.formats.avc import SLICES
from agent.cutting.formats.nal import length_size, units
from agent.cutting.reading.source import open_path
from clipping.errors import ClippingError

_PARTS = 3
_LEAST_SECONDS, _LONGEST_PART = Fraction(4), Fraction(6)
_TRANSITION = Fraction(2, 5)
_OFFSET = Fraction(1, 7)
"""Seconds by which parts begin behind a quarter of the recording: hardly ever at a keyframe."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of recordings")
    folder = parser.parse_args().folder
    ways: collections.Counter[str] = collections.Counter()
    engine = Engine(EngineSettings())
    engine.start()
    try:
        for path in sorted(file for file in folder.rglob("*") if file.is_file()):
            spec = _spec(engine, path)
            if spec is not None:
                way = _made(engine, spec)
                ways[way] += 1
    finally:
        engine.close()
    print(", ".join(f"{way}: {count}" for way, count in ways.most_common()))
    return 1 if ways["wrong"] else 0


def _spec(engine: Engine, path: Path) -> ReelSpec | None:
    """The reel of a recording; None when it has no H.264, or is too short."""
    try:
        info = engine.probe(path)
    except ClippingError:
        return None
    video, length = info.video_stream, info.duration
    if video is None or video.codec != "h264" or length is None or length < _LEAST_SECONDS:
        return None
    step = length / (_PARTS + 1)
    taken = min(_LONGEST_PART, step) * Fraction(9, 10)
    begins = [round((number * step + _OFFSET) * 1000) for number in range(_PARTS)]
    parts = tuple(
        PartSpec(path, Fraction(at, 1000), Fraction(at, 1000) + Fraction(round(taken * 1000), 1000), str(at))
        for at in begins
    )
    return ReelSpec(parts, "dissolve", _TRANSITION, "smart", "high")


def _made(engine: Engine, spec: ReelSpec) -> str:
    """How the reel was made; `wrong` when it is not what its report says."""
    source = spec.parts[0].source
    with tempfile.TemporaryDirectory() as folder:
        try:
            reel = engine.reel(
                spec, Path(folder), open_part=lambda _: open_path(source), progress=lambda *_: None
            )
        except ClippingError as error:
            print(f"{source.name}: refused: {error.message}", flush=True)
            return "refused"
        way, text = _compared(reel, source)
    print(f"{source.name}: {text}", flush=True)
    return way


def _compared(reel: Clip, source: Path) -> tuple[str, str]:
    report = reel.report
    decoded = _decodes(reel.path)
    if report.mode != "smart":
        return (report.mode if decoded else "wrong"), f"{report.mode}: {'; '.join(report.warnings)}"
    own = set(_packets(source))
    kept = sum(packet in own for packet in _packets(reel.path))
    copied = report.frames - round(report.reencoded_seconds * report.video.fps)
    right = decoded and abs(kept - copied) <= len(report.parts or [])  # seconds are rounded
    text = f"smart: {kept} of {report.frames} frames are the recording's, {copied} by the report"
    return ("smart" if right else "wrong"), text + ("" if decoded else "; it can't be decoded")


def _packets(path: Path) -> list[tuple[bytes, ...]]:
    """The slices of each frame, however the container separates them."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        size = length_size("h264", video.codec_context.extradata)
        packets = [bytes(packet) for packet in container.demux(video) if packet.size]
    return [
        tuple(bytes(u).rstrip(b"\0") for u in units(packet, size) if u[0] & 0x1F in SLICES)
        for packet in packets
    ]


def _decodes(path: Path) -> bool:
    command = [str(find_ffmpeg(None)), "-v", "error", "-xerror", "-err_detect", "explode", "-i", str(path)]
    run = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True, timeout=600)
    return run.returncode == 0 and not run.stderr


if __name__ == "__main__":
    raise SystemExit(main())
