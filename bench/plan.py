"""`python -m bench.plan`: is a clip what its plan said, and how soon is a plan there?

With --media, plans and cuts every recording of a folder at several positions, and compares both. Then times
plans of a 10-hour recording, which is generated once: with empty caches, and again at other positions.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

from agent.cutting import CutSpec, Engine, EngineSettings
from agent.cutting.reading.source import open_path
from bench.measure.meter import drop_from_memory
from bench.recording import KINDS, Kind, long_recording
from clipping.contract.choices import Mode
from clipping.errors import ClippingError

_PLACES = (Fraction(0), Fraction(13, 100), Fraction(41, 100), Fraction(73, 100))
"""Of a recording: where clips begin."""
_LENGTH = Fraction(3, 10)
"""Of a recording: how long clips are."""
_LONGEST = Fraction(20)
_OFF = Fraction(7, 1000)
"""So that no clip begins or ends with a frame."""
_ASKED = 50
_CLIP_SECONDS = 60
_SAME_SECONDS = 1e-6


@dataclass(frozen=True)
class Pair:
    """A plan and the clip that was then cut."""

    name: str
    mode: Mode
    start: float
    error: str | None
    """Where plan or cut failed: both codes."""
    wrong: tuple[str, ...] = ()
    """The fields that differ."""
    bytes_off: float | None = None
    """Of the clip's size."""
    planned_mode: str | None = None
    made_mode: str | None = None
    plan_seconds: float = 0.0
    cut_seconds: float = 0.0
    estimated_seconds: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--media", type=Path, metavar="DIR", help="plan and cut all recordings of this folder"
    )
    parser.add_argument("--only", default="", help="recordings whose name contains this")
    parser.add_argument("--modes", nargs="+", choices=get_args(Mode), default=["copy", "smart"])
    parser.add_argument("--minutes", type=int, default=600, help="of the long recording (600); 0: none")
    parser.add_argument("--kind", choices=KINDS, default="mp4", help="of the long recording")
    parser.add_argument("--megabits", type=int, default=1, help="of the long recording's video (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all pairs to this file")
    arguments = parser.parse_args()
    good = True
    if arguments.media is not None:
        with _started(encodes="encode" in arguments.modes) as engine:
            pairs = list(_pairs(engine, arguments.media, arguments.only, arguments.modes))
        good = _summarise(pairs)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps([asdict(pair) for pair in pairs], indent=1))
    if arguments.minutes:
        _time_long(arguments.kind, arguments.minutes, arguments.megabits)
    return 0 if good else 1


@contextmanager
def _started(*, encodes: bool = False) -> Iterator[Engine]:
    """An engine with an empty cache."""
    engine = Engine(EngineSettings(encoder="cpu"))
    engine.start(encodes=encodes)
    try:
        yield engine
    finally:
        engine.close()


def _pairs(engine: Engine, media: Path, only: str, modes: list[Mode]) -> Iterator[Pair]:
    for path in sorted(media.iterdir()):
        if path.suffix in (".md", ".tsv", ".txt") or only not in path.name:
            continue
        try:
            duration = engine.probe(path).duration or Fraction(10)
        except ClippingError as error:
            print(f"{path.name}: {error.code}", flush=True)
            continue
        length = min(_LONGEST, duration * _LENGTH)
        for mode in modes:
            for place in _PLACES:
                start = Fraction(round(duration * place, 3)) + _OFF * (place > 0)
                spec = CutSpec(path, start, start + length, mode, "high")
                pair = _pair(engine, spec)
                print(_line(pair), flush=True)
                yield pair


def _pair(engine: Engine, spec: CutSpec) -> Pair:
    name, start = spec.source.name, float(spec.in_point)
    began = time.perf_counter()
    plan = clip = None
    planned = made = "made"
    try:
        plan = engine.plan(spec)
    except ClippingError as error:
        planned = error.code
    between = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            clip = engine.cut(spec, Path(folder), progress=lambda *_: None)
        except ClippingError as error:
            made = error.code
    took = time.perf_counter() - between
    if plan is None or clip is None:
        wrong = () if planned == made else ("error",)
        return Pair(name, spec.mode, start, f"plan {planned}, cut {made}", wrong)
    report = clip.report
    same = {
        "in": abs(plan.in_ - report.actual.start) < _SAME_SECONDS,
        "out": abs(plan.out - report.actual.end) < _SAME_SECONDS,
        "mode": plan.mode == report.mode,
        "frames": plan.frames == report.frames,
        "encoder": plan.encoder == report.encoder,
        "dropped": plan.dropped_streams == report.dropped_streams,
    }
    return Pair(
        name,
        spec.mode,
        start,
        None,
        tuple(field for field, equal in same.items() if not equal),
        plan.estimated_bytes / clip.size - 1,
        plan.mode,
        report.mode,
        between - began,
        took,
        plan.estimated_seconds,
    )


def _line(pair: Pair) -> str:
    where = f"{pair.name} {pair.mode} {pair.start:.3f}"
    if pair.error is not None:
        return f"{where}: {pair.error}{' DIFFERS' if pair.wrong else ''}"
    assert pair.bytes_off is not None
    wrong = f" DIFFERS: {', '.join(pair.wrong)}" if pair.wrong else ""
    times = (
        f"plan {pair.plan_seconds:.2f} s, cut {pair.cut_seconds:.2f} s, said {pair.estimated_seconds:.2f} s"
    )
    return f"{where}: {pair.planned_mode}/{pair.made_mode}, bytes {pair.bytes_off:+.2%}, {times}{wrong}"


def _summarise(pairs: list[Pair]) -> bool:
    """Print the result; whether all is as planned."""
    whole = [pair for pair in pairs if pair.error is None]
    wrong = [pair for pair in pairs if pair.wrong]
    print(f"\n{len(pairs)} plans, {len(whole)} clips; {len(wrong)} differ in {_count(wrong)}")
    good = not wrong
    for mode in ("copy", "smart", "encode"):
        off = sorted(abs(pair.bytes_off or 0) for pair in whole if pair.made_mode == mode)
        if not off:
            continue
        beyond = sum(each > 0.05 for each in off)
        print(
            f"made by {mode}: {len(off)} clips; bytes off: median {statistics.median(off):.2%}, "
            f"p95 {off[int(0.95 * (len(off) - 1))]:.2%}, most {off[-1]:.2%}; beyond 5 %: {beyond}"
        )
        good = good and (mode == "encode" or not beyond)
        ratio = sorted(pair.cut_seconds / pair.estimated_seconds for pair in whole if pair.made_mode == mode)
        plans = sorted(pair.plan_seconds for pair in whole if pair.made_mode == mode)
        print(
            f"  time of the cut by that estimated: median {statistics.median(ratio):.2f}, "
            f"{ratio[len(ratio) // 10]:.2f} to {ratio[9 * len(ratio) // 10]:.2f} (p10 to p90); plans: median "
            f"{statistics.median(plans):.3f} s, most {plans[-1]:.3f} s"
        )
    return good


def _count(pairs: list[Pair]) -> str:
    fields = [field for pair in pairs for field in pair.wrong]
    return ", ".join(f"{field} ({fields.count(field)})" for field in dict.fromkeys(fields)) or "nothing"


def _time_long(kind: Kind, minutes: int, megabits: int) -> None:
    path = long_recording(kind, minutes, megabits)
    for mode in ("copy", "smart"):
        drop_from_memory(path)
        with _started() as engine, open_path(path) as source:
            times = []
            for number in range(_ASKED + 1):
                start = Fraction(minutes * 60 * (number * 37 % 97), 97) + _OFF
                start = min(start, Fraction(minutes * 60 - _CLIP_SECONDS - 1))
                spec = CutSpec(path, start, start + _CLIP_SECONDS, mode, "high")
                began = time.perf_counter()
                engine.plan(spec, source)
                times.append(time.perf_counter() - began)
        again = sorted(times[1:])
        print(
            f"{kind} of {minutes / 60:g} h, {mode} of {_CLIP_SECONDS} s: first plan {times[0]:.2f} s, "
            f"at {_ASKED} other positions: median {statistics.median(again):.3f} s, most {again[-1]:.3f} s",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
