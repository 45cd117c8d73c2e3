"""Holds a clip against its recording, its request and its report."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.measure.align import Alignment, asked, by_looks, by_number
from bench.measure.hearing import Hearing, hear
from bench.measure.judge import SYNC_MS, Seen, faults, order_faults
from bench.measure.look import Film, film, movie_of, sound
from bench.measure.methods import Try
from bench.measure.points import Cut
from bench.measure.source import LEAD, Source
from clipping.contract.report import Report

ROUNDED = Fraction(1, 10_000)
"""Seconds that a report's times may be off: it has them to the microsecond."""
_SCRAMBLED_FRAMES = 3
"""Where a recording's pictures carry times in another order than they are shown in, players differ by about
as much as a decoder holds back."""


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


def promised(report: Report | None, cut: Cut, dropped: int) -> Promise:
    """A copy may begin earlier and says where; everything else is what was asked for."""
    if report is None:
        return Promise(cut.begin, cut.end, None, cut.begin)
    begin, end = (Fraction(t).limit_denominator(10**6) for t in (report.actual.start, report.actual.end))
    if report.mode == "copy":
        return Promise(begin - ROUNDED, end - ROUNDED, report.frames, begin, dropped)
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
    promise = promised(made.report, cut, source.sound_tracks - len(kept))
    align = _aligned(source, around, clip, promise)
    wanted, due = asked(around, cut.begin, cut.end), asked(around, promise.begin, promise.end)
    shown = [s for s in align.shown if s is not None]
    skipped, doubled, backward = order_faults(align.shown)
    leeway = _SCRAMBLED_FRAMES if around.backward else 0
    with av.open(f"file:{made.clip}") as container:
        tracks = len(container.streams.audio)
    heard = list(_heard(source, cut, made.clip, around, align, tracks, kept)) if shown else []
    seen = Seen(
        asked=len(wanted),
        promised=len(due),
        shown=len(align.shown),
        first=shown[0] - wanted.start if shown and wanted else None,
        last=shown[-1] - (wanted.stop - 1) if shown and wanted else None,
        skipped=skipped,
        doubled=doubled,
        backward=backward + (clip.backward if not around.backward else 0),
        unreadable=align.shown.count(None),
        misplaced=bool(shown) and max(abs(shown[0] - due.start), abs(shown[-1] - due.stop + 1)) > leeway,
        uneven_ms=align.uneven * 1000,
        av_ms=max((h.off for h in heard if h.off is not None), key=abs, default=None),
        missing_ms=max((h.missing for h in heard), default=0.0),
        over_ms=max((h.over for h in heard), default=0.0),
        tracks=tracks,
        source_tracks=source.sound_tracks,
        errors=_errors(source, cut, clip),
        index_in_front=_index_in_front(made.clip),
        hidden=max(0, _stored(made.clip) - len(clip.times)),
        sure=align.sure and not around.backward,
        leeway=leeway,
    )
    lies = _lies(seen, made.report, cut, promise, leeway) if made.report else []
    sync = SYNC_MS + leeway * float(source.frame) * 1000
    return seen, faults(seen, dropped_tracks=promise.dropped_tracks, sync_ms=sync) + lies


def _aligned(source: Source, around: Film, clip: Film, promise: Promise) -> Alignment:
    if source.made:
        return by_number(around, clip)
    if not around.backward:
        return by_looks(around, clip, promise.claimed)
    claimed = bisect_left(around.times, promise.claimed) * source.frame
    align = by_looks(_counted(around, source.frame), _counted(clip, source.frame), claimed)
    pairs = [(around.times[s], at) for s, at in zip(align.shown, clip.times, strict=True) if s is not None]
    return replace(align, offset=float(np.median([float(t - at) for t, at in pairs])) if pairs else 0.0)


def _counted(pictures: Film, frame: Fraction) -> Film:
    """The pictures in their order, at even times: for recordings whose own times mean nothing."""
    return replace(pictures, times=tuple(number * frame for number in range(len(pictures.times))))


def _lies(seen: Seen, report: Report, cut: Cut, promise: Promise, leeway: int) -> list[str]:
    """Where a report says one thing and the clip is another."""
    lies = {
        f"reports {report.frames} frames": report.frames != seen.shown,
        f"reports a start at {report.actual.start}, after the in-point": report.mode == "copy"
        and promise.begin > cut.begin,
        f"reports a lead of {report.keyframe_lead_seconds} s": abs(
            report.keyframe_lead_seconds - max(0.0, float(cut.begin) - report.actual.start)
        )
        > 2e-3,
        "ends before the out-point": seen.last is not None and seen.last < -leeway,
        "hides frames by an edit list": seen.hidden,
        "its index is not in front": seen.index_in_front is False,
    }
    return [text for text, there in lies.items() if there]


def _heard(
    source: Source, cut: Cut, clip: Path, around: Film, align: Alignment, tracks: int, kept: list[int]
) -> Iterator[Hearing]:
    places = [s for s in align.shown if s is not None]
    begin, end = float(around.times[min(places)]), float(around.times[max(places)] + source.frame)
    # What a copy shows behind the out-point, as other frames need it, may be silent.
    due = min(end, float(cut.end))
    pairs = zip(kept, range(tracks), strict=False) if len(kept) == tracks else [(0, 0)] * min(1, tracks)
    for theirs, mine in pairs:
        original = sound(source.path, theirs, begin=begin - 2, end=end + 2, zero=float(source.zero))
        if original is not None:
            yield hear(original, sound(clip, mine), align.offset, (begin, due, end), ticking=source.made)


def _errors(source: Source, cut: Cut, clip: Film) -> int:
    if not clip.bad_at:
        return 0
    own = sum(cut.begin - LEAD <= at <= cut.end + 1 for at in source.bad_at)
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
