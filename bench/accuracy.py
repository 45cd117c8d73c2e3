"""`python -m bench.accuracy`: do clips match their requests and their reports?

Makes three cuts of every recording in a folder (CLIPPING_MEDIA, or --media) and of generated recordings,
whose frames carry their number and whose audio ticks: with each of the engine's modes, with a plain `ffmpeg
-ss -to -c copy`, and with the package smartcut. Prints the table and writes it as Markdown. Fails when a clip
of the engine is wrong."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.measure.judge import Row
from bench.measure.made import RECIPES, made
from bench.measure.methods import OURS, RIVALS, SMARTCUT, smartcut
from bench.measure.table import document

_NO_RECORDINGS = frozenset({".md", ".tsv", ".txt", ".json"})
_SECONDS = 1500
"""Timeout for one recording."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, default=os.environ.get("CLIPPING_MEDIA"), metavar="DIR")
    parser.add_argument("--only", help="recordings whose name contains this")
    parser.add_argument("--method", action="append", choices=[*OURS, *RIVALS], help="default: all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to this file")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="write every row to this file, as JSON lines"
    )
    arguments = parser.parse_args()
    methods = arguments.method or [*OURS, *RIVALS]
    if SMARTCUT in methods:
        smartcut()
    begun = time.monotonic()
    rows, missing = _measured(_recordings(arguments.media, arguments.only or ""), methods, arguments.workers)
    text = document(rows, methods, missing, minutes=(time.monotonic() - begun) / 60)
    print(text)
    if arguments.write:
        arguments.write.write_text(text)
    if arguments.rows:
        arguments.rows.write_text("".join(json.dumps(row.as_json()) + "\n" for row in rows))
    return 1 if missing or any(row.verdict == "wrong" and row.method in OURS for row in rows) else 0


def _recordings(media: Path | None, only: str) -> list[tuple[Path, bool]]:
    """Paths, and whether they are generated; the largest first, to balance the workers."""
    chosen = [(made(recipe), True) for recipe in RECIPES if only in recipe.name]
    if media is not None:
        files = [
            p for p in sorted(media.resolve().iterdir()) if p.is_file() and p.suffix not in _NO_RECORDINGS
        ]
        chosen += [(path, False) for path in files if only in path.name]
    return sorted(chosen, key=lambda pair: -pair[0].stat().st_size)


def _measured(
    recordings: list[tuple[Path, bool]], methods: list[str], workers: int
) -> tuple[list[Row], list[str]]:
    """All rows, and the recordings whose measurement failed."""
    with ThreadPoolExecutor(workers, thread_name_prefix="recording") as pool:
        done = list(pool.map(lambda pair: _one(pair[0], pair[1], methods), recordings))
    missing = [path.name for (path, _), (_, good) in zip(recordings, done, strict=True) if not good]
    return [row for rows, _ in done for row in rows], missing


def _one(path: Path, is_made: bool, methods: list[str]) -> tuple[list[Row], bool]:
    """All rows of one recording, measured in its own process, and whether the measurement succeeded."""
    command = [sys.executable, "-m", "bench.measure.one", str(path), *(["--made"] if is_made else [])]
    command += [part for method in methods for part in ("--method", method)]
    begun = time.monotonic()
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_SECONDS)
    rows = [Row.from_json(json.loads(line)) for line in process.stdout.splitlines()]
    for row in rows:
        if row.verdict in ("wrong", "no clip") and row.method in OURS:
            place = f"{row.source} {row.cut} [{row.begin}, {row.end}) {row.method}"
            print(f"{row.verdict.upper()} {place}: {row.why}", file=sys.stderr)
    print(f"{path.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return rows, process.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
