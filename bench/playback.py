"""`python -m bench.playback`: do the clips play?

Opens clips of every container, codec and mode that the engine writes in a headless Chromium, compares the
first and the last frame (by their numbers) and the duration with the report, and plays to the end. Also
decodes each clip with ffmpeg, as strictly as Chromium. With --media, includes clips of a folder of real
recordings."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from agent.cutting import Engine, EngineSettings, find_ffmpeg
from bench.measure.browser import Playback, Shown, find_chromium, play
from bench.measure.decode import decode_video, number_of, video_stream_of
from bench.measure.examine import ROUNDED
from bench.measure.made import RECIPES, made
from bench.measure.methods import OURS, Try, ours
from bench.measure.points import cuts
from bench.measure.source import Source
from bench.measure.strip import read

_DURATION_SECONDS = 0.06
"""A browser's duration includes the last audio packet, which may end after the video."""
_DECODE_SECONDS = 300


@dataclass(frozen=True)
class Sample:
    """A clip to play."""

    source: str
    mode: str
    path: Path
    codec: str
    duration: float
    """As reported; seconds."""
    frame: float
    """Seconds of the shortest frame."""
    numbers: tuple[int, int] | None
    """The first and the last frame's number by the report, for generated recordings."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, default=os.environ.get("CLIPPING_MEDIA"), metavar="DIR")
    parser.add_argument("--only", default="", help="recordings whose name contains this")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to this file")
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    find_chromium()
    with tempfile.TemporaryDirectory() as folder:
        samples = list(_samples(arguments.media, arguments.only, Path(folder)))
        shown = [Shown(s.path, max(0.0, s.duration - s.frame / 2)) for s in samples]
        text, good = _page(samples, play(shown))
    print(text)
    if arguments.write:
        arguments.write.write_text(text)
    return 0 if good else 1


def _samples(media: Path | None, only: str, folder: Path) -> Iterator[Sample]:
    recordings = [(made(recipe), True) for recipe in RECIPES if only in recipe.name]
    if media is not None:
        recordings += [(p, False) for p in sorted(media.iterdir()) if p.is_file() and only in p.name]
    engine = Engine(EngineSettings())
    engine.start()
    try:
        for path, numbered in recordings:
            try:
                source = Source(path, made=numbered)
                end = source.times[-1] + source.frame if source.has_video and source.times else None
            except av.error.FFmpegError:
                continue  # no recording
            if end is None:
                continue
            for mode in OURS:
                cut = cuts(source.times, end)[0]
                result = ours(engine, mode, path, cut, folder)
                if result.clip is not None:
                    yield _sample(source, mode, result)
    finally:
        engine.close()


def _sample(source: Source, mode: str, result: Try) -> Sample:
    assert result.clip is not None
    assert result.report is not None
    with av.open(f"file:{result.clip}") as container:
        codec = video_stream_of(container).codec_context.name
    actual = result.report.actual
    start, end = (Fraction(t).limit_denominator(10**6) for t in (actual.start, actual.end))
    numbers = None
    times = source.times
    if source.made:
        whole = source.whole
        promised = [
            n for n, t in zip(whole.marks, times, strict=True) if start - ROUNDED <= t < end - ROUNDED
        ]
        numbers = (promised[0], promised[-1])
    gaps = [b - a for a, b in pairwise(times) if start <= a < end and b > a]
    frame = float(min(gaps, default=source.frame))
    name = f"{mode} → {result.report.mode}" if mode != result.report.mode else mode
    return Sample(source.path.name, name, result.clip, codec, actual.end - actual.start, frame, numbers)


def _page(samples: list[Sample], playback: Playback) -> tuple[str, bool]:
    rows = [_row(s, seen) for s, seen in zip(samples, playback.seen, strict=True)]
    bad = [cells for cells, verdict in rows if verdict == "wrong"]
    plays = sum(verdict == "plays" for _, verdict in rows)
    lines = [
        "# Playback",
        "",
        f"Clips of the engine in {playback.version}, made by `python -m bench.playback --write …`:"
        f" {plays} of {len(rows)} play, {len(rows) - plays - len(bad)} have a codec that it does not support,"
        f" {len(bad)} are wrong.",
        "",
        *(f"- `{kind}`: {answer}" for kind, answer in playback.types.items()),
        "",
        "| recording | mode | clip | codec | first | last | duration off, ms | Chromium | ffmpeg, strict |",
        "|---|---|---|---|---|---|--:|---|---|",
        *(f"| {' | '.join(cells)} |" for cells, _ in rows),
        "",
    ]
    return "\n".join(lines), not bad


def _row(sample: Sample, seen: dict[str, Any]) -> tuple[list[str], str]:
    strict = _strict(sample)
    wrong = [] if strict == "good" else [strict]
    head = [sample.source, sample.mode, sample.path.suffix[1:], sample.codec]
    if not seen.get("width"):
        # Without a decoder for the video, the browser rejects the clip or plays only its audio.
        known = sample.codec in ("h264", "vp8", "vp9", "av1")
        verdict = "wrong" if known or wrong else "unknown"
        return [
            *head,
            "",
            "",
            "",
            f"{'WRONG: ' if known else ''}{seen['error'] or 'no video'}",
            strict,
        ], verdict
    first, last = (_number(seen.get(which), seen) for which in ("first", "last"))
    off = seen["duration"] - sample.duration
    if sample.numbers:
        wrong += [f"first is {first}, not {sample.numbers[0]}"] if first != sample.numbers[0] else []
        wrong += [f"last is {last}, not {sample.numbers[1]}"] if last != sample.numbers[1] else []
    wrong += [f"duration {seen['duration']:.3f}"] if abs(off) > max(_DURATION_SECONDS, sample.frame) else []
    wrong += [seen["error"]] if seen["error"] else []
    result = "WRONG: " + ", ".join(wrong) if wrong else "plays"
    numbers = [str(n) if sample.numbers else "" for n in (first, last)]
    return [*head, *numbers, f"{off * 1000:+.0f}", result, strict], "wrong" if wrong else "plays"


def _number(row: list[int] | None, seen: dict[str, Any]) -> int | None:
    if not row:
        return None
    return read(np.tile(np.array(row, np.uint8), (int(seen["height"]), 1)))


def _strict(sample: Sample) -> str:
    """The first error of a strict ffmpeg decode, or a mismatch of the frames' numbers; otherwise `good`."""
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode"]
    command += ["-i", str(sample.path), "-map", "0:v?", "-map", "0:a?", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_DECODE_SECONDS)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:60].replace("|", "/")
    if sample.numbers:
        marks = decode_video(sample.path, number_of, strict=True).marks
        if (marks[0], marks[-1]) != sample.numbers:
            return f"shows {marks[0]} to {marks[-1]}"
    return "good"


if __name__ == "__main__":
    sys.exit(main())
