"""`python -m bench.measure.one SOURCE`: all methods on all cuts of one recording, as JSON lines.

A process of its own for each recording: a decoder that crashes or hangs over a clip takes nothing else along.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av

from agent.cutting import Engine, EngineSettings
from bench.measure.align import Alignment, asked, by_looks, by_number
from bench.measure.hearing import Hearing, hear
from bench.measure.judge import Row, Seen, Verdict, faults, order_faults
from bench.measure.look import Film, film, movie_of, number_of, sound, thumb_of, zero_of
from bench.measure.methods import OURS, Try, ours, rival
from bench.measure.points import Cut, cuts
from clipping.messages import Report

_LEAD = Fraction(31)
"""Seconds before a cut that a keyframe may lie."""
_AFTER = Fraction(4)
_WHOLE = Fraction(120)
"""Recordings up to so many seconds are decoded from their start; of longer ones a part."""


class Source:
    """A recording, decoded without any of the engine's doing."""

    def __init__(self, path: Path, *, made: bool) -> None:
        self.path = path
        self.made = made
        self.mark = number_of if made else thumb_of
        with av.open(f"file:{path}") as container:
            self.zero = zero_of(container)
            self.shift = self.zero - Fraction(container.start_time or 0, 1_000_000)
            self.sound_tracks = len(container.streams.audio)
            movie = movie_of(container)
            self.has_movie = movie is not None
            self.frame = 1 / movie.average_rate if movie and movie.average_rate else Fraction(1, 25)
        self._part: tuple[Fraction, Film] | None = None

    @cached_property
    def times(self) -> list[Fraction]:
        """Of all pictures, by their packets in long recordings."""
        if self.length_by_header() <= _WHOLE:
            return sorted(self.whole.times)
        with av.open(f"file:{self.path}") as container:
            stream = movie_of(container)
            shown = [p.pts for p in container.demux(stream) if p.pts is not None and not p.is_discard]
            return sorted(pts * stream.time_base - self.zero for pts in shown)

    def length_by_header(self) -> Fraction:
        """Seconds; what the file says, and no more."""
        with av.open(f"file:{self.path}") as container:
            return Fraction(container.duration or 0, 1_000_000)

    @cached_property
    def hides(self) -> bool:
        """Whether an edit list hides pictures."""
        with av.open(f"file:{self.path}") as container:
            return any(p.is_discard for p in container.demux(movie_of(container)))

    @cached_property
    def unhidden(self) -> Film:
        """Every picture, and those that a copy may begin or end with though the recording hides them."""
        return (
            _in_order(film(self.path, self.mark, zero=self.zero, unhidden=True)) if self.hides else self.whole
        )

    @cached_property
    def whole(self) -> Film:
        """Every picture."""
        return _in_order(film(self.path, self.mark, zero=self.zero))

    def around(self, cut: Cut) -> Film:
        """The pictures that a clip of this cut might show."""
        if self.length_by_header() <= _WHOLE:
            return self.whole
        if self._part is None or self._part[0] != cut.begin:
            begin = max(Fraction(0), cut.begin - _LEAD)
            part = film(self.path, self.mark, begin=begin, end=cut.end + _AFTER, zero=self.zero)
            self._part = (cut.begin, _in_order(part))
        return self._part[1]

    @cached_property
    def bad_at(self) -> tuple[Fraction, ...]:
        """Where a strict decoder stumbles over the recording itself."""
        return film(self.path, lambda _: None, strict=True, zero=self.zero).bad_at


def _in_order(pictures: Film) -> Film:
    order = sorted(range(len(pictures.times)), key=lambda i: pictures.times[i])
    return Film(
        tuple(pictures.times[i] for i in order),
        tuple(pictures.marks[i] for i in order),
        pictures.bad_at,
        pictures.rotation,
    )


@dataclass(frozen=True)
class Promise:
    """What a clip has to be."""

    begin: Fraction
    end: Fraction
    frames: int | None
    """As reported; None where nothing is reported."""
    claimed: Fraction
    """Where the clip says that it begins."""
    dropped_tracks: int = 0


def promised(report: Report | None, cut: Cut, source: Source, dropped: int) -> Promise:
    """A copy may begin earlier and says where; everything else is what was asked for."""
    if report is None:
        return Promise(cut.begin, cut.end, None, cut.begin)
    half = source.frame / 4
    begin, end = (Fraction(t).limit_denominator(10**6) for t in (report.actual.start, report.actual.end))
    if report.mode == "copy":
        return Promise(begin - half, end - half, report.frames, begin, dropped)
    return Promise(cut.begin, cut.end, report.frames, begin, dropped)


def look_at(source: Source, cut: Cut, made: Try) -> tuple[Seen, list[str]]:
    """The clip as it is, and what is wrong with it."""
    assert made.clip is not None
    copied = made.report is not None and made.report.mode == "copy"
    around = source.unhidden if copied and source.hides else source.around(cut)
    clip = film(made.clip, source.mark, strict=True)
    dropped = [d.index for d in made.report.dropped_streams] if made.report else []
    with av.open(f"file:{source.path}") as container:
        kept = [n for n, s in enumerate(container.streams.audio) if s.index not in dropped]
    promise = promised(made.report, cut, source, source.sound_tracks - len(kept))
    align = by_number(around, clip) if source.made else by_looks(around, clip, promise.claimed)
    wanted, due = asked(around, cut.begin, cut.end), asked(around, promise.begin, promise.end)
    shown = [s for s in align.shown if s is not None]
    skipped, doubled, backward = order_faults(align.shown)
    with av.open(f"file:{made.clip}") as container:
        tracks = len(container.streams.audio)
    heard = list(_heard(source, made.clip, around, align, tracks, kept)) if shown else []
    seen = Seen(
        asked=len(wanted),
        promised=len(due),
        shown=len(align.shown),
        first=shown[0] - wanted.start if shown and wanted else None,
        last=shown[-1] - (wanted.stop - 1) if shown and wanted else None,
        skipped=skipped,
        doubled=doubled,
        backward=backward,
        unreadable=align.shown.count(None),
        misplaced=bool(shown) and (shown[0] != due.start or shown[-1] != due.stop - 1),
        uneven_ms=align.uneven * 1000,
        av_ms=max((h.off for h in heard if h.off is not None), key=abs, default=None),
        missing_ms=max((h.missing for h in heard), default=0.0),
        over_ms=max((h.over for h in heard), default=0.0),
        tracks=tracks,
        source_tracks=source.sound_tracks,
        errors=_errors(source, cut, clip),
        index_in_front=_index_in_front(made.clip),
        hidden=max(0, _stored(made.clip) - len(clip.times)),
        sure=align.sure,
    )
    return seen, faults(seen, promise.dropped_tracks) + _lies(seen, made.report, cut, promise)


def _lies(seen: Seen, report: Report | None, cut: Cut, promise: Promise) -> list[str]:
    """Where a report says one thing and the clip is another."""
    if report is None:
        return []
    lies = {
        f"reports {report.frames} frames": report.frames != seen.shown,
        f"reports a start at {report.actual.start}, after the in-point": report.mode == "copy"
        and promise.begin > cut.begin,
        f"reports a lead of {report.keyframe_lead_seconds} s": abs(
            report.keyframe_lead_seconds - max(0.0, float(cut.begin) - report.actual.start)
        )
        > 2e-3,
        "ends before the out-point": seen.last is not None and seen.last < 0,
        "hides frames by an edit list": seen.hidden,
        "its index is not in front": seen.index_in_front is False,
    }
    return [text for text, there in lies.items() if there]


def _heard(
    source: Source, clip: Path, around: Film, align: Alignment, tracks: int, kept: list[int]
) -> Iterator[Hearing]:
    places = [s for s in align.shown if s is not None]
    begin, end = float(around.times[min(places)]), float(around.times[max(places)] + source.frame)
    pairs = zip(kept, range(tracks), strict=False) if len(kept) == tracks else [(0, 0)] * min(1, tracks)
    for theirs, mine in pairs:
        original = sound(source.path, theirs, begin=begin - 2, end=end + 2, zero=float(source.zero))
        if original is not None:
            yield hear(original, sound(clip, mine), align.offset, begin, end, ticking=source.made)


def _errors(source: Source, cut: Cut, clip: Film) -> int:
    if not clip.bad_at:
        return 0
    own = sum(cut.begin - _LEAD <= at <= cut.end + 1 for at in source.bad_at)
    return max(0, len(clip.bad_at) - own)


def _stored(clip: Path) -> int:
    """Pictures in the file, hidden ones included."""
    with av.open(f"file:{clip}", options={"ignore_editlist": "1"}) as container:
        return sum(p.size > 0 and p.pts is not None for p in container.demux(movie_of(container)))


def _index_in_front(path: Path) -> bool | None:
    order = []
    with path.open("rb") as file:
        while len(head := file.read(16)) >= 8 and head[4:8].isalpha():
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            order.append(head[4:8])
            if size < 8:
                break
            file.seek(size - len(head), 1)
    if b"moov" not in order or b"mdat" not in order:
        return None
    return order.index(b"moov") < order.index(b"mdat")


def rows(source: Source, engine: Engine, methods: list[str]) -> Iterator[Row]:
    """Every cut by every method."""
    if not source.has_movie or not source.times:
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
        return Row(*about, "no clip" if mode is None else "refused", made.refused)
    seen, wrong = look_at(source, cut, made)
    how = made.report.mode if made.report else ""
    notes = list(made.report.warnings) if made.report else []
    if wrong:
        return Row(*about, "wrong", ", ".join(wrong), how, seen, notes)
    exact = seen.first == 0 and seen.last == 0
    return Row(*about, "exact" if exact else "as reported", "", how, seen, notes)


def _refusals(source: Source, engine: Engine, methods: list[str]) -> Iterator[Row]:
    """A file without a picture: a clip of it would be wrong."""
    cut = Cut("no picture", Fraction(0), Fraction(1))
    for method in methods:
        mode = next((m for m in OURS if m == method), None)
        if mode is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            made = ours(engine, mode, source.path, cut, Path(folder))
        verdict: Verdict = "refused" if made.clip is None else "wrong"
        about = (source.path.name, source.made, cut.name, 0.0, 1.0, method)
        yield Row(*about, verdict, made.refused or "a clip of a file without pictures")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("--made", action="store_true", help="its frames carry their number")
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
