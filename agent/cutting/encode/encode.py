"""The full encode: every frame re-encoded, exact to the frame, playable everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av.container

from agent.cutting.encode import ffmpeg
from agent.cutting.encode.arguments import Means, encode_arguments, frames_of_rate
from agent.cutting.encode.rate_control import FIRST_SHARE, Rates, rates, second_share
from agent.cutting.encode.sidecars import Beside, files_beside
from agent.cutting.formats.media import MediaInfo, StreamInfo
from agent.cutting.plan.encoders import CARD, CODECS, CPU, refusal
from agent.cutting.plan.outcome import AudioTrack, Outcome
from agent.cutting.plan.plan import Plan, without_silent
from agent.cutting.plan.spec import Order
from agent.cutting.process.budget import MOST_BYTES
from agent.cutting.process.limits import own_memory_limit
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.frames import Frames, frames_in
from agent.cutting.reading.locate import locate
from agent.cutting.reading.source import SourceFile, stored_url
from agent.cutting.writing.subtitles import cues_within, read_cues
from clipping.errors import EncoderFailed, OutputTooLarge

_NICENESS = 10
"""Lower priority than copies, which a caller waits for."""
_FIRST_TRY = 0.6
"""The share of the progress that the first of two possible tries gets."""
_MOST_BYTES_A_SECOND = 64 << 20
_FROM_START_BYTES = 64 << 30
"""What may be read before the first frame of a clip that is decoded from the recording's start."""
_MOST_BYTES_AT_LEAST = 1 << 30
"""No clip is larger: ffmpeg is ended before it fills the disk."""


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
    damage: Damage,
    begins_late: bool = False,
    ends_early: bool = False,
) -> Outcome:
    """Write the clip of the opened recording to `target`.

    `damage` collects what of the recording is damaged; `begins_late`, `ends_early`: as `frames_in`.
    `progress` gets 0 to 1, `started` ffmpeg's process id, and None when it has ended. Raises `RangeBeyondEnd`
    when the video is over by then, `OutputTooLarge`, and the errors of `ffmpeg.run` and of `source`.
    """
    cues = read_cues(container, plan)
    frames = frames_in(container, plan, damage, begins_late=begins_late, ends_early=ends_early)
    plan = without_silent(plan, {t.source.index for t in plan.tracks} - set(frames.audio_ends))
    plan, cues = cues_within(plan, cues, frames.start)
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    # Where only a part of it was opened, ffmpeg would search through the whole.
    recording = stored_url(source) if from_start else container.name
    with files_beside(container, plan, frames.start, cues, target) as beside:
        work = _Encode(
            source, recording, info, plan, frames, target, beside, order, from_start, progress, started
        )
        work.write()
    if work.reported_errors:
        locate(container, plan, frames, damage)
    return work.outcome()


class _Encode:
    """The runs of ffmpeg for one clip: one, unless the card gives up or the file comes out too large."""

    def __init__(
        self,
        source: SourceFile,
        recording: str,
        info: MediaInfo,
        plan: Plan,
        frames: Frames,
        target: Path,
        beside: Beside,
        order: Order,
        from_start: bool,
        progress: Callable[[float], None],
        started: Callable[[int | None], None],
    ) -> None:
        self._source = source
        self._recording = recording
        self._info = info
        self._plan = plan
        self._frames = frames
        self._target = target
        self._beside = beside
        self._order = order
        self._from_start = from_start
        self._progress = progress
        self._started = started
        self._encoder = order.choice.encoder
        self._warnings = list(order.choice.warnings)
        self._filters = ffmpeg.filters(order.ffmpeg)
        self._reached = 0.0
        self.reported_errors = False
        """Whether ffmpeg reported errors."""

    def write(self) -> None:
        """Make the file. Raises as `encode`."""
        limit = self._order.spec.output.max_bytes
        self._run(self._rates(FIRST_SHARE), upto=1.0 if limit is None else _FIRST_TRY)
        if limit is None or self._size() <= limit:
            return
        first = self._size()
        self._run(self._rates(second_share(limit, first)), upto=1.0)
        if self._size() > limit:
            raise OutputTooLarge(
                f"the clip could not be made smaller than {min(first, self._size())} bytes: choose a larger "
                "output.max_bytes, smaller frames, or a shorter clip"
            )

    def _rates(self, share: float) -> Rates:
        spec, frames = self._order.spec, self._frames
        rate = spec.output.rate
        return rates(
            spec.output,
            spec.quality,
            seconds=frames.end - frames.start,
            frames=frames.count if rate is None else frames_of_rate(frames, rate),
            tracks=len(self._plan.tracks),
            share=share,
        )

    def _size(self) -> int:
        return self._target.stat().st_size

    def _run(self, rates: Rates, *, upto: float) -> None:
        try:
            self._ffmpeg(rates, upto)
        except EncoderFailed as error:
            if self._encoder not in CARD.values():
                raise
            lines = [line for note in getattr(error, "__notes__", ()) for line in note.splitlines()]
            reason = refusal(lines).reason
            self._encoder, failed = CPU[CODECS[self._encoder]], self._encoder
            self._warnings.append(f"{failed} failed, because {reason}: the clip was made by {self._encoder}")
            self._ffmpeg(rates, upto)

    def _ffmpeg(self, rates: Rates, upto: float) -> None:
        command = encode_arguments(
            self._means(),
            self._recording,
            self._info,
            self._plan,
            self._frames,
            self._target,
            self._beside,
            self._order.spec,
            rates,
            from_start=self._from_start,
            gaps=self._order.on_damage == "reencode",
        )
        seconds = float(self._frames.end - self._frames.start)
        begun = self._reached

        def climbed(share: float) -> None:
            self._reached = begun + share * (upto - begun)
            self._progress(self._reached)

        self.reported_errors = ffmpeg.run(
            command,
            source=self._source,
            seconds=seconds,
            limits=ffmpeg.Limits(
                file_bytes=max(_MOST_BYTES_AT_LEAST, int(_MOST_BYTES_A_SECOND * seconds)),
                # A card's driver maps far more than it ever uses.
                memory_bytes=None if self._encoder in CARD.values() else own_memory_limit(),
                idle_bytes=_FROM_START_BYTES if self._from_start else MOST_BYTES,
            ),
            progress=climbed,
            started=self._started,
        )

    def _means(self) -> Means:
        return Means(self._order.ffmpeg, self._encoder, self._filters)

    def outcome(self) -> Outcome:
        """What was made."""
        frames, rate = self._frames, self._order.spec.output.rate
        video = self._plan.video_stream.video
        if video is not None and video.hdr and not self._means().tone_maps(video):
            self._warnings.append(
                "this ffmpeg has no zscale filter: HDR colours were not tone mapped, and look pale"
            )
        count = frames.count if rate is None else frames_of_rate(frames, rate)
        end = frames.end if rate is None else frames.start + count / rate
        return Outcome(
            plan=self._plan,
            path=self._target,
            start=frames.start,
            last=frames.last if rate is None else end - 1 / rate,
            end=end,
            frames=count,
            frame_seconds=frames.longest if rate is None else 1 / rate,
            usual_seconds=frames.usual if rate is None else 1 / rate,
            reencoded=frames.end - frames.start,
            audio=tuple(_audio(track.source, frames) for track in self._plan.tracks),
            encoder=self._encoder,
            size=self._order.spec.output.size,
            warnings=tuple(self._warnings),
        )


def _audio(source: StreamInfo, frames: Frames) -> AudioTrack:
    end = min(frames.audio_ends[source.index], frames.end) - frames.start
    return AudioTrack("aac", source.language, Fraction(0), end)
