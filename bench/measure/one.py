"""`python -m bench.measure.one SOURCE`: all methods on all cuts of one recording, as JSON lines.

Each recording has its own process, so that a decoder's crash or hang does not affect the others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from agent.cutting import Engine, EngineSettings
from bench.measure.examine import examine
from bench.measure.judge import Row, Verdict
from bench.measure.methods import OURS, ours, rival
from bench.measure.points import Cut, cuts
from bench.measure.source import Source


def rows(source: Source, engine: Engine, methods: list[str]) -> Iterator[Row]:
    """Measure every cut with every method."""
    if not source.has_video or not source.times:
        yield from _refusals(source, engine, methods)
        return
    end = source.times[-1] + source.frame
    for cut in cuts(source.times, end):
        for method in methods:
            with tempfile.TemporaryDirectory() as folder:
                yield _row(source, engine, method, cut, Path(folder))


def _row(source: Source, engine: Engine, method: str, cut: Cut, folder: Path) -> Row:
    mode = next((m for m in OURS if m == method), None)
    if mode is not None:
        made = ours(engine, mode, source.path, cut, folder)
    else:
        made = rival(method, source.path, cut, source.shift, folder)
    about = (source.path.name, source.made, cut.name, float(cut.begin), float(cut.end), method)
    if made.clip is None:
        return Row(*about, "refused" if made.clearly else "no clip", made.refused)
    seen, wrong = examine(source, cut, made)
    how = made.report.mode if made.report else ""
    notes = list(made.report.warnings) if made.report else []
    if wrong:
        return Row(*about, "wrong", ", ".join(wrong), how, seen, notes)
    return Row(*about, "exact" if seen.exact else "as reported", "", how, seen, notes)


def _refusals(source: Source, engine: Engine, methods: list[str]) -> Iterator[Row]:
    """Rows of a file without a video stream, of which no method may make a clip."""
    cut = Cut("no video", Fraction(0), Fraction(1))
    for method in methods:
        mode = next((m for m in OURS if m == method), None)
        if mode is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            made = ours(engine, mode, source.path, cut, Path(folder))
        verdict: Verdict = "refused" if made.clearly else "no clip" if made.clip is None else "wrong"
        about = (source.path.name, source.made, cut.name, 0.0, 1.0, method)
        yield Row(*about, verdict, made.refused or "a clip of a file without video")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument(
        "--made", action="store_true", help="the recording was generated: its frames carry their number"
    )
    parser.add_argument("--method", action="append", required=True)
    arguments = parser.parse_args()
    engine = Engine(EngineSettings())
    engine.start()
    try:
        for row in rows(Source(arguments.source, made=arguments.made), engine, arguments.method):
            print(json.dumps(row.as_json()), flush=True)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
