"""The engine's input for a request. Pure."""

from __future__ import annotations

from pathlib import Path

from agent.cutting import CutSpec, PartSpec, ReelSpec
from clipping.contract.messages import ClipRequest
from clipping.contract.recording import recording_of
from clipping.contract.reel import ReelRequest
from clipping.timecode import exact


def cut_spec(request: ClipRequest) -> CutSpec:
    """The engine's input for a clip."""
    return CutSpec(
        source=Path(recording_of(request)),
        in_point=exact(request.in_seconds),
        out_point=exact(request.out_seconds),
        mode=request.mode,
        quality=request.quality,
        output=request.output,
        effects=request.effects,
    )


def reel_spec(request: ReelRequest) -> ReelSpec:
    """The engine's input for a reel."""
    parts = (
        PartSpec(
            source=Path(recording_of(part)),
            in_point=exact(part.in_seconds),
            out_point=exact(part.out_seconds),
            title=part.name(index),
            effects=part.effects,
        )
        for index, part in enumerate(request.clips)
    )
    return ReelSpec(
        parts=tuple(parts),
        transition=request.transition.type,
        transition_seconds=exact(request.transition.duration),
        mode=request.mode,
        quality=request.quality,
        output=request.output,
        chapters=request.chapters,
    )
