"""Formats the runs of `bench.cut` as a Markdown page. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measure.meter import Cost
from bench.recording import Kind

_HEAD = """# What a cut costs

Two minutes of 1080p recordings at {megabits} Mbit/s with a keyframe every 2 s. Generated in
{minutes:.0f} minutes by

    python -m bench.cut --write …

The methods alternate on one machine. Values are medians, as ratios to a bare `ffmpeg -ss -to -c copy` of the
same minutes. Times of copy and smart include probing, cutting, SHA-256 and verification; "alone" excludes the
last two. First: the recording is not in the page cache, and the engine's caches are empty. Repeated: both are
warm. All times but "alone" end when the clip is on the disk (fsync).
"""


@dataclass(frozen=True)
class Run:
    """One run of a method."""

    kind: Kind
    minutes: int
    place: str
    state: str
    """`first` or `repeated`."""
    method: str
    cost: Cost
    alone: float | None = None
    """Seconds without verification and SHA-256, for the engine."""


def page(runs: Sequence[Run], *, minutes: float, megabits: int) -> str:
    """The complete page."""
    ours = [
        m for m in dict.fromkeys(r.method for r in runs) if any(r.alone is not None for r in _of(runs, m))
    ]
    parts = [_HEAD.format(minutes=minutes, megabits=megabits)]
    for state in ("repeated", "first"):
        parts.append(_times([r for r in runs if r.state == state], state, ours))
    parts += [_bytes([r for r in runs if r.state == "first"], ours), _slow(runs, ours), _lengths(runs, ours)]
    return "\n".join(parts)


def _of(runs: Sequence[Run], method: str) -> list[Run]:
    return [r for r in runs if r.method == method]


def _median(runs: Sequence[Run], method: str, value: Callable[[Run], float]) -> float:
    found = [value(r) for r in runs if r.method == method]
    return statistics.median(found) if found else float("nan")


def _cases(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """The runs by container, length and place."""
    cases: dict[tuple[Kind, int, str], list[Run]] = {}
    for run in runs:
        cases.setdefault((run.kind, run.minutes, run.place), []).append(run)
    return [(f"{kind} | {_length(minutes)} | {place}", own) for (kind, minutes, place), own in cases.items()]


def _length(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"


def _times(runs: list[Run], state: str, ours: list[str]) -> str:
    heads = [f"{m} wall | {m} alone | {m} CPU" for m in ours]
    lines = [
        f"## {state.capitalize()} cuts",
        "",
        "| recording | length | at | ffmpeg s | ffmpeg CPU s | cp wall | " + " | ".join(heads) + " |",
        "|---|---|---|" + "--:|" * (3 + 3 * len(ours)),
    ]
    for name, own in _cases([r for r in runs if r.method in ("ffmpeg", "cp", *ours)]):
        wall, cpu = _median(own, "ffmpeg", _wall), _median(own, "ffmpeg", _cpu)
        cells = [f"{wall:.3f}", f"{cpu:.2f}", f"{_median(own, 'cp', _wall) / wall:.2f}×"]
        for mode in ours:
            cells.append(f"{_median(own, mode, _wall) / wall:.2f}×")
            cells.append(f"{_median(own, mode, _alone) / wall:.2f}×")
            cells.append(f"{_median(own, mode, _cpu) / cpu:.2f}×")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _wall(run: Run) -> float:
    return run.cost.wall


def _cpu(run: Run) -> float:
    return max(run.cost.cpu, 0.01)


def _alone(run: Run) -> float:
    return run.alone if run.alone is not None else run.cost.wall


def _bytes(runs: list[Run], ours: list[str]) -> str:
    methods = ["ffmpeg", *ours]
    lines = [
        "## Megabytes read from the disk by first cuts",
        "",
        "| recording | length | at | " + " | ".join(methods) + " |",
        "|---|---|---|" + "--:|" * len(methods),
    ]
    for name, own in _cases(runs):
        cells = (f"{_median(own, m, lambda r: r.cost.read_from_disk / 1e6):.0f}" for m in methods)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _slow(runs: Sequence[Run], ours: list[str]) -> str:
    """smartcut and a full encode, in seconds and as multiples of the engine's time."""
    rivals = [m for m in dict.fromkeys(r.method for r in runs) if m not in ("ffmpeg", "cp", *ours)]
    if not rivals:
        return ""
    heads = [f"{r} s" for r in rivals] + [f"{r} / {m}" for r in rivals for m in ours]
    lines = [
        "## Rivals, repeated, in the middle",
        "",
        "| recording | length | at | " + " | ".join(heads) + " |",
    ]
    lines.append("|---|---|---|" + "--:|" * len(heads))
    for name, own in _cases([r for r in runs if r.state == "repeated" and r.place == "middle"]):
        times = {m: _median(own, m, _wall) for m in (*rivals, *ours)}
        cells = [_number(times[r], ".1f") for r in rivals]
        cells += [_number(times[r] / times[m], ".1f", "×") for r in rivals for m in ours]
        if any(cells[: len(rivals)]):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _number(value: float, how: str, unit: str = "") -> str:
    return "" if value != value else f"{value:{how}}{unit}"


def _lengths(runs: Sequence[Run], ours: list[str]) -> str:
    """The ratio of the costs of the longest and the shortest recording, over all places."""
    lengths = sorted({r.minutes for r in runs})
    if len(lengths) < 2:
        return ""
    short, long = lengths[0], lengths[-1]
    methods = ["ffmpeg", *ours]
    title = f"## {_length(long)} beside {_length(short)}"
    heads = [f"{m}, {state}" for state in ("first", "repeated") for m in methods]
    lines = [title, "", "| recording | " + " | ".join(heads) + " |", "|---|" + "--:|" * len(heads)]
    for kind in dict.fromkeys(r.kind for r in runs if r.minutes == long):
        cells = []
        for state in ("first", "repeated"):
            own = [r for r in runs if r.kind == kind and r.state == state]
            for method in methods:
                medians = [_median([r for r in own if r.minutes == m], method, _wall) for m in (short, long)]
                cells.append(f"{medians[1] / medians[0]:.2f}×")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])
