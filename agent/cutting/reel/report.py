"""Builds the report of a reel. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.cutting.plan.spec import PartSpec
from agent.cutting.reel.layout import Span
from agent.cutting.reel.orders import Assembled, Prepared
from clipping.contract.choices import Mode
from clipping.contract.report import AudioReport, PartReport, Range, Report, VideoReport

_UNNOTICED = Fraction(1, 10)
"""Seconds by which a part may be shorter than requested without a warning."""


@dataclass(frozen=True)
class ReportedPart:
    """What is known of one part."""

    spec: PartSpec
    prepared: Prepared
    cut: Report | None
    """Of its cut; None where all of its frames belong to transitions."""
    span: Span
    mixed: Fraction
    """Seconds of it that belong to transitions."""


def reel_report(
    parts: Sequence[ReportedPart],
    made: Assembled,
    *,
    mode: Mode,
    codec: str,
    encoder: str | None,
    gpu: int | None,
    requested: float,
    reencoded: Fraction,
    warnings: Sequence[str],
) -> Report:
    """The report. `requested`, `reencoded`: seconds of the reel."""
    return Report(
        mode=mode,
        requested=Range(start=0.0, end=round(requested, 6)),
        actual=Range(start=0.0, end=_rounded(made.duration)),
        keyframe_lead_seconds=0.0,
        frames=made.frames,
        reencoded_seconds=_rounded(reencoded),
        video=VideoReport(codec=codec, width=made.width, height=made.height, fps=round(made.fps, 3)),
        audio=[AudioReport(codec="aac")] if made.audio else [],
        dropped_streams=[],
        encoder=encoder,
        gpu=gpu,
        warnings=list(warnings),
        parts=[_part(index, part, mode) for index, part in enumerate(parts)],
    )


def _part(index: int, part: ReportedPart, mode: Mode) -> PartReport:
    prepared, cut = part.prepared, part.cut
    warnings = list(cut.warnings) if cut is not None else []
    if not any("the clip ends there" in warning for warning in warnings):
        missing = part.spec.out_point - prepared.end
        if missing > max(_UNNOTICED, 2 * prepared.usual):
            warnings.append(f"the recording ends {float(missing):.3f} s before the end of the part")
    encoded = part.mixed if mode != "encode" else Fraction(0)
    return PartReport(
        index=index,
        start_seconds=_rounded(part.span.start),
        end_seconds=_rounded(part.span.end),
        mode=mode,
        requested=Range(start=float(part.spec.in_point), end=float(part.spec.out_point)),
        actual=Range(start=_rounded(prepared.start), end=_rounded(prepared.end)),
        frames=prepared.frames,
        reencoded_seconds=round((cut.reencoded_seconds if cut is not None else 0.0) + float(encoded), 6),
        dropped_streams=list(cut.dropped_streams) if cut is not None else [],
        warnings=warnings,
        source=cut.source if cut is not None else None,
        framing=cut.framing if cut is not None else None,
    )


def _rounded(seconds: Fraction) -> float:
    return round(float(seconds), 6)
