"""Makes the video of a clip segment by segment. What is finished is kept for a later attempt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from agent.cutting.encode.clip_frames import ClipFrames
from agent.cutting.encode.drawings import Drawings
from agent.cutting.encode.encoder_options import Means
from agent.cutting.encode.joining import Mismatched, Piece, alike, frames_of, join
from agent.cutting.encode.kept import KeptSegments
from agent.cutting.encode.rate_control import Rates
from agent.cutting.encode.section_arguments import Commands, Drawn, clip_tick, section_commands
from agent.cutting.encode.unkept import UnkeptSegments
from agent.cutting.encode.video_filters import Section
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.segments import Segment, plan_segments
from agent.cutting.plan.spec import Keep, Order
from agent.cutting.reading.frames import Frames

_ENCODED = 0.97
"""The share of the work at which all segments are encoded."""


class Run(Protocol):
    """Runs ffmpeg for a clip."""

    def __call__(
        self, commands: Commands, *, begin: Fraction, seconds: float, progress: Callable[[float], None]
    ) -> bool: ...


Segments: TypeAlias = KeptSegments | UnkeptSegments


def segments_of(plan: Plan, frames: Frames, keep: Keep | None) -> tuple[Segment, ...]:
    """The segments to encode a range in: one, unless they are to be kept and it is long enough."""
    if keep is None or frames.end - frames.start < keep.min_seconds:
        return (Segment(0, frames.count),)
    length = round(keep.segment_seconds / plan.video_stream.time_base)
    return plan_segments(frames.shown, frames.keyframes, max(1, length))


@dataclass(frozen=True)
class SegmentedVideo:
    """The video of one clip."""

    recording: str
    """What ffmpeg reads."""
    info: MediaInfo
    plan: Plan
    frames: Frames
    segments: tuple[Segment, ...]
    order: Order
    clip: ClipFrames
    kept: Segments
    run: Run
    drawings: Drawings
    from_start: bool = False
    gaps: bool = False
    """Even the first frame may be missing, and others: not only whole segments are used."""

    @property
    def joints(self) -> tuple[Fraction, ...]:
        """Where segments meet, in seconds of the clip."""
        tick = self.plan.video_stream.time_base
        return tuple(
            self.frames.shown[segment.first] * tick - self.frames.start for segment in self.segments[1:]
        )

    def write(
        self,
        means: Means,
        rates: Rates,
        target: Path,
        *,
        outgrown: int | None,
        progress: Callable[[float], None],
    ) -> bool:
        """Write it to `target`, as MP4; returns whether ffmpeg reported errors.

        `outgrown`: the size of an earlier try that came out too large. Raises `Mismatched` when segments do
        not have the frames that they should have, and as `KeptSegments` and `ffmpeg.run`.
        """
        tick = self.plan.video_stream.time_base
        sections = [Section(self.frames, self.frames.part(segment, tick)) for segment in self.segments]
        pieces = [self._piece(number, section) for number, section in enumerate(sections)]
        total = sum(piece.frames for piece in pieces)
        done = self.kept.begin(
            self._recipe(means, rates),
            means.encoder,
            total=total,
            segments=len(pieces),
            outgrown=outgrown,
        )
        frame = sum(piece.frames for piece in pieces[:done])
        scratch = target.with_suffix(".segment")
        for number, (segment, section) in list(enumerate(zip(self.segments, sections, strict=True)))[done:]:
            piece = pieces[number]
            begun, part = frame / total * _ENCODED, piece.frames / total * _ENCODED
            with self._drawn(section, target) as drawn:
                reported = self.run(
                    self._commands(means, rates, segment, scratch, drawn),
                    begin=section.part.start - self.frames.start,
                    seconds=float(self._length(section)),
                    progress=partial(_climbed, progress, begun, part),
                )
            if (found := frames_of(scratch)) != piece.frames:
                if not self.gaps or not found:
                    raise Mismatched(f"a segment has {found} frames and should have {piece.frames}")
                pieces[number] = replace(piece, frames=found)
            if done and not alike(pieces[0].path, scratch):
                # Another build of the encoder made those. Known before the rest is encoded in vain.
                self.kept.discard()
                return self.write(means, rates, target, outgrown=outgrown, progress=progress)
            frame += piece.frames
            self.kept.add(scratch, frame, reported_errors=reported)
        progress(_ENCODED)
        tick = clip_tick(self.plan, self.clip)
        join(pieces, target, tick, 1 if self.clip.rate else max(1, round(self.frames.usual / tick)))
        progress(1.0)
        return self.kept.reported_errors

    def _length(self, section: Section) -> Fraction:
        """Seconds of the clip."""
        return self.clip.seconds if self.clip.speed is not None else section.part.end - section.part.start

    def _piece(self, number: int, section: Section) -> Piece:
        path, rate = self.kept.path(number), self.clip.rate
        if self.clip.speed is not None:
            return Piece(path, 0, self.clip.count)
        if rate is not None:
            return Piece(path, section.before(rate), section.count(rate))
        begin = section.part.start - self.frames.start
        return Piece(path, int(begin / self.plan.video_stream.time_base), section.count(None))

    def _drawn(self, section: Section, target: Path) -> AbstractContextManager[Drawn]:
        rate = self.clip.rate
        begin = section.part.start - self.frames.start
        if rate is not None:
            begin = section.before(rate) / rate
        # To the end of the part's last frame, whatever its rate is rounded to.
        length, tick = self._length(section), clip_tick(self.plan, self.clip)
        return self.drawings.part(target.with_suffix(".burned"), begin, length + tick, tick)

    def _commands(self, means: Means, rates: Rates, segment: Segment, target: Path, drawn: Drawn) -> Commands:
        return section_commands(
            means,
            self.recording,
            self.info,
            self.plan,
            self.frames,
            segment,
            target,
            self.order.spec,
            rates,
            drawn=drawn,
            from_start=self.from_start,
            gaps=self.gaps,
        )

    def _recipe(self, means: Means, rates: Rates) -> str:
        """How the segments are made, whatever this machine's paths are."""
        anywhere = replace(self, recording="recording")
        drawn = self.drawings.anywhere(clip_tick(self.plan, self.clip))
        commands = anywhere._commands(
            replace(means, program=Path("ffmpeg"), gpu=None), rates, self.segments[0], Path("segment"), drawn
        )
        effects = self.order.spec.effects.asked()
        recipe = [
            commands.encode,
            *([commands.decode, effects] if commands.decode is not None else []),
            *([effects.get("title")] if drawn.title is not None else []),
            *([effects.get("captions")] if drawn.captions is not None else []),
            [(segment.first, segment.stop) for segment in self.segments],
        ]
        return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()


def _climbed(progress: Callable[[float], None], begun: float, part: float, share: float) -> None:
    progress(begun + share * part)
