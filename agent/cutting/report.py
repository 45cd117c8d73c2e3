"""Says where a cut really fell. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from agent.cutting.formats.media import Identity, MediaInfo
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.spec import CutSpec
from agent.cutting.verify.verify import Facts
from clipping.contract.report import AudioReport, Range, Report, SourceReport, VideoReport
from clipping.timecode import format_seconds

MOST_DROPPED = 100
"""Streams that a report lists as left out. A broadcast multiplex holds dozens."""
_UNNOTICED = Fraction(1, 10)
"""Seconds of audio after the last frame that many a good recording has."""
_STANDS_STILL = Fraction(1, 2)
_TIMES_USUAL = 5
"""With a gap of so many seconds, so many times as long as its frames on average, frames are missing."""


def report(
    spec: CutSpec,
    info: MediaInfo,
    outcome: Outcome,
    facts: Facts,
    warnings: tuple[str, ...],
    *,
    growing: bool,
) -> Report:
    """The report of a verified clip. Times are seconds as a player of the recording shows them.

    `growing`: the recording was appended to while it was cut.
    """
    plan = outcome.plan
    start, end = outcome.start - info.zero, outcome.end - info.zero
    return Report(
        mode=plan.mode,
        requested=Range(start=float(spec.in_point), end=float(spec.out_point)),
        actual=Range(start=_rounded(float(start)), end=_rounded(float(end))),
        keyframe_lead_seconds=_rounded(max(0.0, float(plan.start - outcome.start))),
        frames=facts.frames,
        reencoded_seconds=_rounded(float(outcome.reencoded)),
        video=VideoReport(
            codec=outcome.video_codec,
            width=facts.width,
            height=facts.height,
            fps=round(facts.fps, 3),
        ),
        audio=[AudioReport(codec=s.codec, language=s.language) for s in outcome.audio],
        dropped_streams=list(plan.dropped[:MOST_DROPPED]),
        encoder=outcome.encoder,
        warnings=[
            *warnings,
            *plan.warnings,
            *_early_end(spec, info, end, outcome.frame_seconds),
            *_gap(outcome),
            *_many_dropped(len(plan.dropped)),
            *outcome.warnings,
        ],
        source=_source(info.identity, growing),
    )


def _source(identity: Identity, growing: bool) -> SourceReport:
    modified = datetime.fromtimestamp(identity.mtime_ns // 1_000_000_000, UTC)
    return SourceReport(size=identity.size, modified=modified, growing=growing)


def _early_end(spec: CutSpec, info: MediaInfo, end: Fraction, longest: Fraction) -> list[str]:
    missing = spec.out_point - end
    if missing <= 0:
        return []
    what = "recording"
    if info.duration is None or spec.out_point <= info.duration:
        # One that broke off may still name the length that it was to have.
        if missing <= max(_UNNOTICED, longest):
            return []
        what = "recording's video"
    return [
        f"The {what} ends at {format_seconds(float(end))}, {float(missing):.3f} s before the end that was "
        "asked for: the clip ends there."
    ]


def _gap(outcome: Outcome) -> list[str]:
    """Damaged recordings lose frames without an error; so do some that were never anything else."""
    usual = (outcome.end - outcome.start) / outcome.frames
    if outcome.frame_seconds <= max(_STANDS_STILL, _TIMES_USUAL * usual):
        return []
    return [
        f"The video stands still for {float(outcome.frame_seconds):.3f} s in it, as the recording has no "
        "frames there: perhaps it is damaged."
    ]


def _many_dropped(count: int) -> list[str]:
    if count <= MOST_DROPPED:
        return []
    listed = f"dropped_streams lists the first {MOST_DROPPED}"
    return [f"{count} streams of the recording are not in the clip; {listed}"]


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
