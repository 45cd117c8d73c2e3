"""The full encode: every frame re-encoded, exact to the frame, playable everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av.container

from agent.cutting.effects.frame_effects import per_frame
from agent.cutting.encode import ffmpeg
from agent.cutting.encode.arguments import encode_arguments
from agent.cutting.encode.content import Content, content_of
from agent.cutting.encode.drawings import Drawings, drawings
from agent.cutting.encode.encoder_options import Means
from agent.cutting.encode.joining import Mismatched
from agent.cutting.encode.kept import KeptSegments
from agent.cutting.encode.pipeline import run_with_effects
from agent.cutting.encode.rate_control import FIRST_SHARE, Rates, rates, second_share
from agent.cutting.encode.run_limits import run_limits
from agent.cutting.encode.section_arguments import NOTHING_DRAWN, Commands, clip_tick
from agent.cutting.encode.segmented import SegmentedVideo, Segments, segments_of
from agent.cutting.encode.sidecars import Beside, files_beside
from agent.cutting.encode.smart_framing import SmartFraming, is_smart
from agent.cutting.encode.unkept import UnkeptSegments
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.encoder_refusals import refusal
from agent.cutting.plan.encoders import CODECS, CPU, on_gpu
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.segments import Segment
from agent.cutting.plan.spec import Order
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.locate import locate
from agent.cutting.reading.source import SourceFile, stored_url
from clipping.contract.checkpoint import Checkpoint
from clipping.errors import EncoderFailed, OutputTooLarge

_NICENESS = 10
"""Lower priority than copies, which a caller waits for."""
_FIRST_TRY = 0.6
"""The share of the progress that the first of two possible tries gets."""
_VIDEO = 0.95
"""The share of a try's progress that the video's segments get."""


def encode(
    source: SourceFile,
    container: av.container.InputContainer,
    info: MediaInfo,
    plan: Plan,
    target: Path,
    order: Order,
    *,
    from_start: bool,
    progress: Callable[[float], None],
    started: Callable[[int | None], None],
    kept: Callable[[Checkpoint], None],
    damage: Damage,
    begins_late: bool = False,
    ends_early: bool = False,
) -> Outcome:
    """Write the clip of the opened recording to `target`.

    A long clip is encoded in segments if `order` says where to keep them; `kept` gets each new checkpoint.
    `damage` collects what of the recording is damaged; `begins_late`, `ends_early`: as `frames_in`.
    `progress` gets 0 to 1, `started` ffmpeg's process id, and None when it has ended. Raises `RangeBeyondEnd`
    when the video is over by then, `OutputTooLarge`, and the errors of `ffmpeg.run` and of `source`.
    """
    content = content_of(container, plan, order.spec, damage, begins_late=begins_late, ends_early=ends_early)
    plan, frames, clip = content.plan, content.frames, content.clip
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    # Where only a part of it was opened, ffmpeg would search through the whole.
    recording = stored_url(source) if from_start else container.name
    # The frames that a damaged recording lacks may be the first of a segment.
    lacking = order.on_damage == "reencode" and bool(damage.found)
    keep = None if from_start or lacking or clip.speed is not None else order.keep
    video = plan.video_stream.video
    assert video is not None
    segments = segments_of(plan, frames, keep)
    store = None if keep is None or len(segments) < 2 else KeptSegments(keep, source.identity, kept)
    if is_smart(order.spec) and order.spec.effects.framing is None:
        look = SmartFraming(order, source, recording, info, plan, frames, from_start=from_start)
        limits = run_limits(float(clip.seconds), from_start=from_start)
        order, progress = look.order(store, limits, progress, started)
    with (
        files_beside(
            container, plan, frames.start, content.cues, target, clip.speed, content.captions
        ) as beside,
        drawings(order.spec, video, clip, target) as drawn,
    ):
        work = _Encode(
            source,
            recording,
            info,
            content,
            target,
            beside,
            drawn,
            order,
            from_start,
            progress,
            started,
        )
        if store is not None:
            work.in_segments(segments, store)
        elif work.only_separately:
            work.in_one_piece()
        work.write()
    if work.reported_errors:
        locate(container, plan, frames, damage)
    return work.outcome()


class _Encode:
    """The runs of ffmpeg for one clip: one, unless it is encoded in segments, the card gives up, or the file
    comes out too large."""

    def __init__(
        self,
        source: SourceFile,
        recording: str,
        info: MediaInfo,
        content: Content,
        target: Path,
        beside: Beside,
        drawn: Drawings,
        order: Order,
        from_start: bool,
        progress: Callable[[float], None],
        started: Callable[[int | None], None],
    ) -> None:
        self._source = source
        self._recording = recording
        self._info = info
        self._content = content
        self._plan, self._frames, self._clip = content.plan, content.frames, content.clip
        self._target = target
        self._beside = beside
        self._drawings = drawn
        self._order = order
        self._from_start = from_start
        self._progress = progress
        self._started = started
        choice, filters = order.choice, ffmpeg.filters(order.ffmpeg)
        self._means = Means(order.ffmpeg, choice.encoder, filters, choice.mode, choice.gpu)
        self._warnings = list(choice.warnings)
        self._reached = 0.0
        self._segmented: SegmentedVideo | None = None
        self._outgrown: int | None = None
        self.reported_errors = False
        """Whether ffmpeg reported errors."""

    @property
    def only_separately(self) -> bool:
        """Whether the video must be made by itself, and audio added to it."""
        video = self._plan.video_stream.video
        assert video is not None
        return self._clip.speed is not None or per_frame(self._order.spec.effects, video)

    def in_segments(self, segments: tuple[Segment, ...], kept: KeptSegments) -> None:
        """Encode the video in segments, and resume an attempt that did."""
        self._segmented = self._separate(segments, kept)
        self._outgrown = kept.outgrown
        made_with = next((name for name in CPU.values() if name == kept.encoder), None)
        if made_with is not None and CODECS[made_with] == CODECS[self._means.encoder]:
            self._means = self._means.with_cpu(
                made_with
            )  # whatever is free now: others can't be joined with those

    def in_one_piece(self) -> None:
        """Encode the video by itself, without keeping any of it: as some effects need it."""
        kept = UnkeptSegments(self._target)
        self._segmented = self._separate((Segment(0, self._frames.count),), kept, gaps=self._may_lack)

    def _separate(
        self, segments: tuple[Segment, ...], kept: Segments, *, gaps: bool = False
    ) -> SegmentedVideo:
        return SegmentedVideo(
            self._recording,
            self._info,
            self._plan,
            self._frames,
            segments,
            self._order,
            self._clip,
            kept,
            self.run,
            self._drawings,
            from_start=self._from_start,
            gaps=gaps,
        )

    @property
    def _may_lack(self) -> bool:
        """Whether frames that can't be decoded may be missing."""
        return self._order.on_damage == "reencode"

    @property
    def joints(self) -> tuple[Fraction, ...]:
        """Where segments meet, in seconds of the clip."""
        return () if self._segmented is None else self._segmented.joints

    def write(self) -> None:
        """Make the file. Raises as `encode`."""
        limit = self._order.spec.output.max_bytes
        if limit is None or self._outgrown is None:
            self._run(self._rates(FIRST_SHARE), upto=1.0 if limit is None else _FIRST_TRY)
            if limit is None or self._size() <= limit:
                return
            self._outgrown = self._size()
        self._run(self._rates(second_share(limit, self._outgrown)), upto=1.0)
        if self._size() > limit:
            smallest = min(self._outgrown, self._size())
            raise OutputTooLarge(
                f"the clip could not be made smaller than {smallest} bytes: choose a larger "
                "output.max_bytes, smaller frames, or a shorter clip"
            )

    def _rates(self, share: float) -> Rates:
        return rates(
            self._order.spec,
            seconds=self._clip.seconds,
            frames=self._clip.count,
            tracks=len(self._plan.tracks),
            share=share,
            segments=1 if self._segmented is None else len(self._segmented.segments),
        )

    def _size(self) -> int:
        return self._target.stat().st_size

    def _run(self, rates: Rates, *, upto: float) -> None:
        try:
            self._make(rates, upto)
        except EncoderFailed as error:
            failed = self._means.encoder
            if not on_gpu(failed):
                raise
            lines = "\n".join(getattr(error, "__notes__", (error.message,))).splitlines()
            reason = refusal(lines).reason
            instead = CPU[CODECS[failed]]
            where = f"{failed} on GPU {self._means.gpu}"
            self._warnings.append(f"{where} failed, because {reason}: the clip was made by {instead}")
            self._means = self._means.with_cpu(instead)
            self._make(rates, upto)

    def _make(self, rates: Rates, upto: float) -> None:
        if self._segmented is None:
            self._finish(rates, None, self._reached, upto)
            return
        begun, kept = self._reached, self._segmented.kept
        video = begun + _VIDEO * (upto - begun)
        joined = self._target.with_suffix(".joined")
        try:
            self.reported_errors = self._segmented.write(
                self._means,
                rates,
                joined,
                outgrown=self._outgrown,
                progress=self._between(begun, video),
            )
        except Mismatched as mismatch:
            # Damage that was not found before, or a recording whose keyframes are none.
            kept.discard()
            self._segmented = None
            if self.only_separately:
                if isinstance(kept, UnkeptSegments):
                    raise Unsuited(str(mismatch)) from mismatch
                self.in_one_piece()
            self._make(rates, upto)
            return
        if isinstance(kept, UnkeptSegments):
            kept.discard()
        self._finish(rates, joined, video, upto)
        joined.unlink()

    def _finish(self, rates: Rates, joined: Path | None, begun: float, upto: float) -> None:
        """Write the clip, with the video that was `joined`, or encoding it."""
        tick, path = clip_tick(self._plan, self._clip), self._target.with_suffix(".burned")
        drawn_here = self._drawings.part(path, Fraction(0), self._clip.seconds, tick)
        with drawn_here if joined is None else nullcontext(NOTHING_DRAWN) as drawn:
            command = encode_arguments(
                self._means,
                self._recording,
                self._info,
                self._plan,
                self._frames,
                self._target,
                self._beside,
                self._order.spec,
                rates,
                from_start=self._from_start,
                gaps=self._may_lack,
                joined=joined,
                drawn=drawn,
            )
            if self.run(
                Commands(command, None),
                begin=Fraction(0),
                seconds=float(self._clip.seconds),
                progress=self._between(begun, upto),
            ):
                self.reported_errors = True

    def _between(self, begun: float, upto: float) -> Callable[[float], None]:
        def climbed(share: float) -> None:
            self._reached = begun + share * (upto - begun)
            self._progress(self._reached)

        return climbed

    def run(
        self, commands: Commands, *, begin: Fraction, seconds: float, progress: Callable[[float], None]
    ) -> bool:
        """Run ffmpeg within the limits of an encode of `seconds`; as `ffmpeg.run`.

        `begin`: when the first frame is shown, in seconds of the clip.
        """
        decoding = run_limits(seconds, from_start=self._from_start)
        # A card's driver maps far more than it ever uses.
        limits = replace(decoding, memory_bytes=None) if on_gpu(self._means.encoder) else decoding
        if commands.decode is None:
            return ffmpeg.run(
                commands.encode,
                source=self._source,
                seconds=seconds,
                limits=limits,
                progress=progress,
                started=self._started,
            )
        video = self._plan.video_stream.video
        return run_with_effects(
            commands.encode,
            commands.decode,
            self._order.spec.effects,
            rate=None if video is None else video.rate,
            begin=begin,
            source=self._source,
            seconds=seconds,
            limits=limits,
            decoding=decoding,
            progress=progress,
            started=self._started,
        )

    def outcome(self) -> Outcome:
        """What was made."""
        video = self._plan.video_stream.video
        if video is not None and video.hdr and not self._means.tone_maps(video):
            self._warnings.append(
                "this ffmpeg has no zscale filter: HDR colours were not tone mapped, and look pale"
            )
        return self._content.outcome(
            self._target,
            self._order.spec,
            encoder=self._means.encoder,
            gpu=self._means.gpu,
            joints=self.joints,
            warnings=(*self._warnings, *self._drawings.warnings),
        )
