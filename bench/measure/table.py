"""The rows of `bench.accuracy` as a page of Markdown. Pure, but for the versions it names."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import av

from agent.cutting import find_ffmpeg
from bench.measure.judge import SYNC_MS, UNEVEN_MS, Row, Seen
from bench.measure.methods import OURS, SMARTCUT_VERSION

_HEAD = """# Accuracy

What clips show, held against what was asked for and what their reports say. Made by

    CLIPPING_MEDIA=… python -m bench.accuracy --write docs/accuracy.md

in {minutes:.0f} minutes with {versions}.
`CLIPPING_MEDIA` names a folder of recordings made by others; the other recordings are made by the benchmark:
their frames carry their number, their sound ticks each second.

Every recording is cut three times: between frames, exactly on frames, and to the end. A clip is
**exact** when it shows every frame with in ≤ pts < out and no other, in order, none twice, each at its time
within 1.5 ms, its sound within 20 ms of its picture and nowhere missing, without an error of a decoder as
strict as Chromium's. A copy of ours is **as reported** when it begins on the keyframe before, and its report
names exactly the frames that it shows. **Wrong** is everything else that was given out as a good clip.
"""
_SHORT = {
    "exact": "exact",
    "as reported": "as reported",
    "refused": "refused",
    "no clip": "none",
    "wrong": "wrong",
}


def document(rows: Sequence[Row], methods: Sequence[str], missing: Sequence[str], *, minutes: float) -> str:
    """The whole page. `missing`: recordings that could not be measured to the end."""
    versions = f"{_ffmpeg_version()}, PyAV {av.__version__}, smartcut {SMARTCUT_VERSION}"
    parts = [_HEAD.format(minutes=minutes, versions=versions)]
    for title, chosen in (
        ("Real recordings", [r for r in rows if not r.made]),
        ("Made recordings", [r for r in rows if r.made]),
    ):
        if chosen:
            parts.append(_summary(title, chosen, methods))
    parts.append(_faults(rows, methods))
    if missing:
        parts.append(f"**Not measured to the end:** {', '.join(missing)}\n")
    parts.append(_notes(rows))
    parts.append(_details(rows))
    return "\n".join(parts)


def _ffmpeg_version() -> str:
    said = subprocess.run([str(find_ffmpeg(None)), "-version"], capture_output=True, text=True, timeout=30)
    return "ffmpeg " + said.stdout.split()[2].split("-")[0]


def _summary(title: str, rows: Sequence[Row], methods: Sequence[str]) -> str:
    files = len({r.source for r in rows})
    lines = [
        f"## {title}: {files} files",
        "",
        "| method | cuts | exact | of these by another mode | as reported | refused | no clip | wrong "
        "| files exact in all cuts |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for method in methods:
        own = [r for r in rows if r.method == method]
        count = Counter(r.verdict for r in own)
        whole = sum(
            all(r.verdict == "exact" for r in group)
            for _, group in groupby(sorted(own, key=lambda r: r.source), key=lambda r: r.source)
        )
        tried = len({r.source for r in own if r.verdict != "refused"})
        share = f"{whole} of {tried} ({whole / tried:.0%})" if tried else "–"
        others = sum(r.verdict == "exact" and r.mode not in ("", method) for r in own)
        cells = [count["exact"], others, *(count[v] for v in ("as reported", "refused", "no clip", "wrong"))]
        lines.append(f"| {method} | {len(own)} | {' | '.join(str(c or '') for c in cells)} | {share} |")
    return "\n".join([*lines, ""])


def _faults(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """In how many clips there is what; a copy of ours says of itself where it begins and ends."""
    kinds: dict[str, Callable[[Seen], object]] = {
        "no frame": lambda s: not s.shown,
        "begin early": lambda s: (s.first or 0) < -s.leeway,
        "begin late": lambda s: (s.first or 0) > s.leeway,
        "end early": lambda s: (s.last or 0) < -s.leeway,
        "end late": lambda s: (s.last or 0) > s.leeway,
        "skip or repeat frames": lambda s: s.skipped or s.doubled or s.backward,
        "damaged frames": lambda s: s.unreadable or s.errors,
        "uneven frame times": lambda s: s.uneven_ms > UNEVEN_MS,
        "sound over 20 ms off": lambda s: abs(s.av_ms or 0) > SYNC_MS,
        "frames hidden by an edit list": lambda s: s.hidden,
        "index at the end": lambda s: s.index_in_front is False,
    }
    lines = ["## Clips that …", "", "| | " + " | ".join(methods) + " |", "|---|" + "--:|" * len(methods)]
    clips = {m: [r.seen for r in rows if r.method == m and r.seen] for m in methods}
    lines.append("| clips in all | " + " | ".join(str(len(clips[m])) for m in methods) + " |")
    for name, there in kinds.items():
        counts = [sum(bool(there(s)) for s in clips[m]) for m in methods]
        lines.append(f"| {name} | " + " | ".join(str(c or "") for c in counts) + " |")
    return "\n".join([*lines, ""])


def _notes(rows: Sequence[Row]) -> str:
    """Our modes, where they did anything but what they were asked for."""
    ours = [r for r in rows if r.method in OURS]
    wrong = [r for r in ours if r.verdict == "wrong"]
    lines = ["## Ours that are wrong", "", *(f"- {_place(r)}: {r.why}" for r in wrong)]
    lines += [] if wrong else ["None."]
    refused = [r for r in ours if r.verdict == "refused"]
    codes: dict[tuple[str, str], list[str]] = {}
    for row in refused:
        codes.setdefault((row.source, row.why), []).append(f"{row.method}, {row.cut}")
    lines += ["", "## Refused", ""]
    lines += [f"- {source}: `{code}` ({_joined(cases)})" for (source, code), cases in sorted(codes.items())]
    failed = [r for r in ours if r.verdict == "no clip"]
    lines += ["", "## Failed by a fault of ours", "", *(f"- {_place(r)}: `{r.why}`" for r in failed)]
    lines += [] if failed else ["None."]
    lines += ["", "## Made by another mode than asked for", ""]
    others: dict[tuple[str, str], list[Row]] = {}
    for row in ours:
        if row.mode and row.mode != row.method:
            others.setdefault((row.source, f"{row.method} → {row.mode}"), []).append(row)
    lines += [
        f"- {source}: {change}, {len(cases)} cuts" for (source, change), cases in sorted(others.items())
    ]
    return "\n".join([*lines, ""])


def _details(rows: Sequence[Row]) -> str:
    lines = [
        "## Every recording",
        "",
        "Of the three cuts in turn: frames shown / asked for, by how many the first and the last are off.",
        "Sums: frames skipped, doubled, backward and damaged, decoding errors, frames that an edit list",
        "hides. Sound against picture is the worst of the three. ~ marks recordings too still to be sure.",
        "",
        "| recording | method | verdicts | shown/asked | first | last | skip | dbl | back | dmg | A/V ms "
        "| tracks | err | hidden | index in front |",
        "|---|---|---|---|---|---|--:|--:|--:|--:|--:|---|--:|--:|---|",
    ]
    for (source, _), group in groupby(rows, key=lambda r: (r.source, r.made)):
        own = list(group)
        for method in dict.fromkeys(r.method for r in own):
            lines.append(_detail(source, method, [r for r in own if r.method == method]))
    return "\n".join([*lines, ""])


def _detail(source: str, method: str, rows: list[Row]) -> str:
    seen = [r.seen for r in rows if r.seen]
    verdicts = ", ".join(dict.fromkeys(_SHORT[r.verdict] for r in rows))
    offs = [s.av_ms for s in seen if s.av_ms is not None]
    cells = [
        source + (" ~" if any(not s.sure for s in seen) else ""),
        method,
        verdicts,
        _joined(f"{s.shown}/{s.asked}" for s in seen),
        _joined("–" if s.first is None else f"{s.first:+d}" if s.first else "0" for s in seen),
        _joined("–" if s.last is None else f"{s.last:+d}" if s.last else "0" for s in seen),
        *(str(sum(values)) if any(values) else "" for values in _sums(rows)[:4]),
        f"{max(offs, key=abs):+.1f}" if offs else "",
        _joined(dict.fromkeys(f"{s.tracks}/{s.source_tracks}" for s in seen)),
        *(str(sum(values)) if any(values) else "" for values in _sums(rows)[4:]),
        _joined(dict.fromkeys({None: "", True: "yes", False: "no"}[s.index_in_front] for s in seen)),
    ]
    return "| " + " | ".join(cells) + " |"


def _sums(rows: list[Row]) -> list[list[int]]:
    seen = [r.seen for r in rows if r.seen]
    return [
        [s.skipped for s in seen],
        [s.doubled for s in seen],
        [s.backward for s in seen],
        [s.unreadable for s in seen],
        [s.errors for s in seen],
        [s.hidden for s in seen],
    ]


def _place(row: Row) -> str:
    return f"{row.source}, {row.method}, {row.cut} [{row.begin:.6f}, {row.end:.6f})"


def _joined(parts: Iterable[str]) -> str:
    return " · ".join(parts)
