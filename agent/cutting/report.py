"""Says where a cut really fell. Pure."""

from __future__ import annotations

from agent.cutting.media import MediaInfo
from agent.cutting.outcome import Outcome
from agent.cutting.spec import CutSpec
from agent.cutting.verify import Facts
from clipping.messages import AudioReport, Range, Report, VideoReport


def report(
    spec: CutSpec, info: MediaInfo, outcome: Outcome, facts: Facts, warnings: tuple[str, ...]
) -> Report:
    """The report of a verified clip. Times are seconds as a player of the recording shows them."""
    plan = outcome.plan
    start, end = outcome.start - info.zero, outcome.end - info.zero
    return Report(
        mode=plan.mode,
        requested=Range(start=float(spec.in_point), end=float(spec.out_point)),
        actual=Range(start=_rounded(float(start)), end=_rounded(float(end))),
        keyframe_lead_seconds=_rounded(max(0.0, float(plan.start - outcome.start))),
        frames=outcome.frames,
        reencoded_seconds=_rounded(float(outcome.reencoded)),
        video=VideoReport(
            codec=outcome.video_codec,
            width=facts.width,
            height=facts.height,
            fps=round(facts.fps, 3),
        ),
        audio=[AudioReport(codec=s.codec, language=s.language) for s in outcome.sound],
        dropped_streams=list(plan.dropped),
        encoder=outcome.encoder,
        warnings=[*warnings, *plan.warnings, *outcome.warnings],
    )


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
