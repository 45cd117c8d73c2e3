"""Builds the report of a clip. Pure."""

from __future__ import annotations

from fractions import Fraction

from agent.cutting.formats.media import Identity, MediaInfo
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.spec import CutSpec
from agent.cutting.verify.verify import Facts
from clipping.clock import moment_of
from clipping.contract.effects import Framing
from clipping.contract.report import AudioReport, FramingReport, Range, Report, SourceReport, VideoReport
from clipping.timecode import format_seconds

MOST_DROPPED = 100
"""Dropped streams that a report lists. A broadcast multiplex has dozens."""
_UNNOTICED = Fraction(1, 10)
"""Seconds of audio after the last frame that many intact recordings have."""
_LONG_FRAME = Fraction(1, 2)
_TIMES_USUAL = 5
"""Frames are missing if a frame is longer than this, in seconds and in multiples of the average frame."""


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
    start, end = outcome.start - info.zero, outcome.recording_end - info.zero
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
        gpu=outcome.gpu,
        warnings=[
            *warnings,
            *plan.warnings,
            *_early_end(spec, info, end, outcome.frame_seconds),
            *_gap(outcome),
            *_many_dropped(len(plan.dropped)),
            *outcome.warnings,
        ],
        source=_source(info.identity, growing),
        framing=None if outcome.framing is None else _framing(outcome.framing),
    )


def _framing(framing: Framing) -> FramingReport:
    return FramingReport.model_validate(framing.model_dump(mode="json"))


def _source(identity: Identity, growing: bool) -> SourceReport:
    modified = moment_of(identity.mtime_ns // 1_000_000_000)
    etag = identity.etag.strip('"') if identity.etag is not None else None
    return SourceReport(size=identity.size, modified=modified, etag=etag, growing=growing)


def _early_end(spec: CutSpec, info: MediaInfo, end: Fraction, longest: Fraction) -> list[str]:
    missing = spec.out_point - end
    if missing <= 0:
        return []
    what = "recording"
    if info.duration is None or spec.out_point <= info.duration:
        # An interrupted recording may still state its intended length.
        if missing <= max(_UNNOTICED, longest):
            return []
        what = "video stream"
    return [
        f"the {what} ends at {format_seconds(float(end))}, {float(missing):.3f} s before the requested end: "
        "the clip ends there"
    ]


def _gap(outcome: Outcome) -> list[str]:
    """Damaged recordings lack frames without an error; some intact ones do, too."""
    usual = (outcome.end - outcome.start) / outcome.frames
    if outcome.frame_seconds <= max(_LONG_FRAME, _TIMES_USUAL * usual):
        return []
    return [
        f"the clip shows one frame for {float(outcome.frame_seconds):.3f} s, as the recording has no frames "
        "there: it may be damaged"
    ]


def _many_dropped(count: int) -> list[str]:
    if count <= MOST_DROPPED:
        return []
    listed = f"dropped_streams lists the first {MOST_DROPPED}"
    return [f"{count} streams of the recording are not in the clip; {listed}"]


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
