"""Compares a clip with its recording, its request and its report."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.measure.align import Alignment, by_number, by_thumbnail, requested_frames
from bench.measure.audio_sync import AudioSync, compare_audio
from bench.measure.decode import Video, decode_audio, decode_video, video_stream_of
from bench.measure.judge import SYNC_MS, Seen, faults, order_faults
from bench.measure.methods import Try
from bench.measure.points import Cut
from bench.measure.source import LEAD, Source
from clipping.contract.report import Report

ROUNDED = Fraction(1, 10_000)
"""Tolerance for a report's times, in seconds: they are rounded to the microsecond."""
_SCRAMBLED_FRAMES = 3
"""Where the times of a recording's frames are not in display order, players differ by about as many frames as
a decoder buffers."""


@dataclass(frozen=True)
class Promise:
    """The frames and times that a clip must have."""

    begin: Fraction
    end: Fraction
    frames: int | None
    """As reported; None without a report."""
    claimed: Fraction
    """The recording's time at which the clip reportedly begins."""
    dropped_tracks: int = 0


def promised(report: Report | None, cut: Cut, dropped: int) -> Promise:
    """The promise of a copy is its report, because it may begin earlier; otherwise it is the request."""
    if report is None:
        return Promise(cut.begin, cut.end, None, cut.begin)
    begin, end = (Fraction(t).limit_denominator(10**6) for t in (report.actual.start, report.actual.end))
    if report.mode == "copy":
        return Promise(begin - ROUNDED, end - ROUNDED, report.frames, begin, dropped)
    return Promise(cut.begin, cut.end, report.frames, begin, dropped)


def examine(source: Source, cut: Cut, made: Try) -> tuple[Seen, list[str]]:
    """Measure a clip. Returns the measurements and the faults."""
    assert made.clip is not None
    copied = made.report is not None and made.report.mode == "copy"
    around = source.unhidden if copied and source.hides else source.around(cut)
    clip = decode_video(made.clip, source.mark, strict=True)
    dropped = [d.index for d in made.report.dropped_streams] if made.report else []
    with av.open(f"file:{source.path}") as container:
        kept = [n for n, s in enumerate(container.streams.audio) if s.index not in dropped]
    promise = promised(made.report, cut, source.audio_tracks - len(kept))
    align = _aligned(source, around, clip, promise)
    wanted, due = (
        requested_frames(around, cut.begin, cut.end),
        requested_frames(around, promise.begin, promise.end),
    )
    shown = [s for s in align.shown if s is not None]
    skipped, doubled, backward = order_faults(align.shown)
    leeway = _SCRAMBLED_FRAMES if around.backward else 0
    with av.open(f"file:{made.clip}") as container:
        tracks = len(container.streams.audio)
    syncs = list(_audio_syncs(source, cut, made.clip, around, align, tracks, kept)) if shown else []
    seen = Seen(
        requested=len(wanted),
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
        av_ms=max((h.off for h in syncs if h.off is not None), key=abs, default=None),
        missing_ms=max((h.missing for h in syncs), default=0.0),
        over_ms=max((h.over for h in syncs), default=0.0),
        tracks=tracks,
        source_tracks=source.audio_tracks,
        errors=_errors(source, cut, clip),
        index_in_front=_index_in_front(made.clip),
        hidden=max(0, _stored(made.clip) - len(clip.times)),
        sure=align.sure and not around.backward,
        leeway=leeway,
    )
    errors = _report_errors(seen, made.report, cut, promise, leeway) if made.report else []
    sync = SYNC_MS + leeway * float(source.frame) * 1000
    return seen, faults(seen, dropped_tracks=promise.dropped_tracks, sync_ms=sync) + errors


def _aligned(source: Source, around: Video, clip: Video, promise: Promise) -> Alignment:
    if source.made:
        return by_number(around, clip)
    if not around.backward:
        return by_thumbnail(around, clip, promise.claimed)
    claimed = bisect_left(around.times, promise.claimed) * source.frame
    align = by_thumbnail(_evenly_timed(around, source.frame), _evenly_timed(clip, source.frame), claimed)
    pairs = [(around.times[s], at) for s, at in zip(align.shown, clip.times, strict=True) if s is not None]
    return replace(align, offset=float(np.median([float(t - at) for t, at in pairs])) if pairs else 0.0)


def _evenly_timed(video: Video, frame: Fraction) -> Video:
    """The frames in their order at a constant rate, for recordings whose times are meaningless."""
    return replace(video, times=tuple(number * frame for number in range(len(video.times))))


def _report_errors(seen: Seen, report: Report, cut: Cut, promise: Promise, leeway: int) -> list[str]:
    """Discrepancies between the report and the clip."""
    errors = {
        f"reports {report.frames} frames": report.frames != seen.shown,
        f"reports a start at {report.actual.start}, after the in-point": report.mode == "copy"
        and promise.begin > cut.begin,
        f"reports a lead of {report.keyframe_lead_seconds} s": abs(
            report.keyframe_lead_seconds - max(0.0, float(cut.begin) - report.actual.start)
        )
        > 2e-3,
        "ends before the out-point": seen.last is not None and seen.last < -leeway,
        "hides frames by an edit list": seen.hidden,
        "its index is not at the start": seen.index_in_front is False,
    }
    return [text for text, there in errors.items() if there]


def _audio_syncs(
    source: Source, cut: Cut, clip: Path, around: Video, align: Alignment, tracks: int, kept: list[int]
) -> Iterator[AudioSync]:
    places = [s for s in align.shown if s is not None]
    begin, end = float(around.times[min(places)]), float(around.times[max(places)] + source.frame)
    # Frames after the out-point, which a copy contains because others reference them, may be silent.
    due = min(end, float(cut.end))
    pairs = zip(kept, range(tracks), strict=False) if len(kept) == tracks else [(0, 0)] * min(1, tracks)
    for theirs, mine in pairs:
        original = decode_audio(source.path, theirs, begin=begin - 2, end=end + 2, zero=float(source.zero))
        if original is not None:
            yield compare_audio(
                original, decode_audio(clip, mine), align.offset, (begin, due, end), ticking=source.made
            )


def _errors(source: Source, cut: Cut, clip: Video) -> int:
    if not clip.bad_at:
        return 0
    own = sum(cut.begin - LEAD <= at <= cut.end + 1 for at in source.bad_at)
    return max(0, len(clip.bad_at) - own)


def _stored(clip: Path) -> int:
    """The number of frames in the file, including hidden ones."""
    with av.open(f"file:{clip}", options={"ignore_editlist": "1"}) as container:
        return sum(p.size > 0 and p.pts is not None for p in container.demux(video_stream_of(container)))


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
