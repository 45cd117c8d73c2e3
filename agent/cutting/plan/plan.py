"""Plans a cut from the streams of the recording and the request. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import chain
from typing import Literal

from agent.cutting.formats.containers import MP4, NAMED, Container, container_for, copies_audio, subtitles_as
from agent.cutting.formats.header import Header, chapters_within
from agent.cutting.formats.media import Chapter, MediaInfo, StreamInfo
from agent.cutting.formats.smpte import advanced
from agent.cutting.plan.bounds import MOST_TRACKS, chapter_warnings, track_warnings
from agent.cutting.plan.captions import caption_warnings
from agent.cutting.plan.spec import CutSpec
from clipping.contract.caption_file import Cue
from clipping.contract.choices import Mode
from clipping.contract.report import DroppedStream
from clipping.errors import RangeBeyondEnd, SourceHasNoVideo, UnsupportedCodec
from clipping.timecode import format_seconds

END_TOLERANCE = Fraction(1)
"""Seconds that the out-point may exceed the recording's end: the clip then ends with it, with a warning.

The stated length of a file is not exact: some count to the start of the last frame."""


@dataclass(frozen=True)
class Track:
    """One audio track of the clip."""

    source: StreamInfo
    position: int
    """Among the recording's audio streams, from 0."""
    action: Literal["copy", "encode"]
    codec: str
    """In the clip."""


@dataclass(frozen=True)
class Subtitle:
    """One subtitle stream of the clip."""

    source: StreamInfo
    codec: str
    """In the clip."""


@dataclass(frozen=True)
class Plan:
    """Everything decided before a byte is written. Times in seconds on the container's own time line."""

    mode: Mode
    start: Fraction
    stop: Fraction
    """Half-open: frames with start <= pts < stop."""
    container: Container
    video_stream: StreamInfo
    tracks: tuple[Track, ...]
    dropped: tuple[DroppedStream, ...]
    zero_recorded: datetime | None = None
    """When time 0 of that time line was recorded, if the file states it."""
    subtitles: tuple[Subtitle, ...] = ()
    captions: tuple[Cue, ...] = ()
    """Of the request, for a text track. They count from `start`."""
    chapters: tuple[Chapter, ...] = ()
    """The recording's."""
    timecode: str | None = None
    """At `zero`, if it can be continued from there."""
    zero: Fraction = Fraction(0)
    """The time at which a player shows 0:00."""
    warnings: tuple[str, ...] = ()
    """Warnings about the recording."""

    def header(self, start: Fraction) -> Header:
        """The clip's metadata if it begins at `start`."""
        return Header(
            recorded=self.recorded(start),
            timecode=self.timecode and advanced(self.timecode, _rate(self.video_stream), start - self.zero),
            chapters=chapters_within(self.chapters, start, self.stop),
        )

    def recorded(self, at: Fraction) -> datetime | None:
        """When time `at` was recorded."""
        if self.zero_recorded is None:
            return None
        try:
            return self.zero_recorded + timedelta(seconds=float(at))
        except OverflowError:
            return None


def plan_cut(info: MediaInfo, spec: CutSpec, mode: Mode) -> Plan:
    """The plan of one way (`mode`) to make the clip.

    Raises `RangeBeyondEnd`, `SourceHasNoVideo`, and `UnsupportedCodec` when the video can't be decoded
    though it must.
    """
    video = info.video_stream
    if video is None:
        raise SourceHasNoVideo(f"{spec.source.name} has no video stream")
    if mode == "encode" and video.codec == "none":
        raise UnsupportedCodec(f"there is no decoder for the video stream of {spec.source.name}")
    start, stop = _range(info, spec)
    container = _container(info, video, spec, mode)
    tracks: list[Track] = []
    dropped: list[DroppedStream] = []
    for position, stream in enumerate(_audio(info, spec)):
        reason = _unusable(stream)
        if reason:
            dropped.append(_dropped(stream, reason))
        elif mode != "encode" and copies_audio(container, stream.codec, stream.profile):
            tracks.append(Track(stream, position, "copy", stream.codec))
        else:
            tracks.append(Track(stream, position, "encode", "aac"))
    subtitles: list[Subtitle] = []
    timecode = _timecode(info, video, spec, mode)
    for stream in info.streams:
        codec = subtitles_as(container, stream.codec) if stream.kind == "subtitle" else None
        if codec is not None:
            subtitles.append(Subtitle(stream, codec))
        elif stream is not video and stream.kind != "audio":
            reason = _why_dropped(stream, container, timecode)
            dropped += [_dropped(stream, reason)] if reason else []
    captions = _captions(spec)
    kept = MOST_TRACKS - 1 - bool(captions)
    excess = [t.source for t in tracks[kept:]] + [s.source for s in subtitles[max(0, kept - len(tracks)) :]]
    dropped += [_dropped(stream, f"a clip has at most {MOST_TRACKS} tracks") for stream in excess]
    return Plan(
        mode=mode,
        start=start,
        stop=stop,
        container=container,
        video_stream=video,
        tracks=tuple(tracks[:kept]),
        dropped=_in_order(dropped),
        zero_recorded=info.recorded and info.recorded - timedelta(seconds=float(info.zero)),
        subtitles=tuple(subtitles[: max(0, kept - len(tracks))]),
        captions=captions,
        chapters=info.chapters,
        timecode=timecode,
        zero=info.zero,
        warnings=(
            *chapter_warnings(info),
            *track_warnings(len(excess)),
            *caption_warnings(spec.effects, spec.out_point - spec.in_point),
        ),
    )


def no_video(plan: Plan, end: Fraction) -> RangeBeyondEnd:
    """The error for a range that begins after the end of the video, though perhaps not of the audio."""
    behind = float(plan.start - end)
    return RangeBeyondEnd(
        f"the video stream ends {behind:.3f} s before the start of the clip: choose an earlier start"
    )


def _container(info: MediaInfo, video: StreamInfo, spec: CutSpec, mode: Mode) -> Container:
    if spec.output.container is not None:
        return NAMED[spec.output.container]
    return MP4 if mode == "encode" else container_for(video.codec, [s.codec for s in _audio(info, spec)])


def _audio(info: MediaInfo, spec: CutSpec) -> tuple[StreamInfo, ...]:
    """The audio streams that are requested."""
    return info.audio_streams if spec.output.audio else ()


def no_video_yet(plan: Plan, begin: Fraction) -> RangeBeyondEnd:
    """The error for a range that ends before the video begins."""
    ahead = float(begin - plan.stop)
    return RangeBeyondEnd(
        f"the video stream begins {ahead:.3f} s after the end of the clip: choose a later end"
    )


def _range(info: MediaInfo, spec: CutSpec) -> tuple[Fraction, Fraction]:
    if info.duration is not None:
        length = format_seconds(float(info.duration))
        if spec.in_point >= info.duration:
            raise RangeBeyondEnd(
                f"the clip would start at {format_seconds(float(spec.in_point))}, but {spec.source.name} is "
                f"only {length} long: choose an earlier start"
            )
        if spec.out_point > info.duration + END_TOLERANCE:
            raise RangeBeyondEnd(
                f"the clip would end at {format_seconds(float(spec.out_point))}, but {spec.source.name} is "
                f"only {length} long: choose an earlier end"
            )
    return info.zero + spec.in_point, info.zero + spec.out_point


def _captions(spec: CutSpec) -> tuple[Cue, ...]:
    """Those that begin within the clip."""
    if spec.effects.text_track is None:
        return ()
    length = 1000 * (spec.out_point - spec.in_point)
    return tuple(cue for cue in spec.effects.text_track.read().cues if cue.start < length)


def without_silent(plan: Plan, silent: Set[int]) -> Plan:
    """The plan without the audio tracks (by index) that have no data in its range."""
    if not silent:
        return plan
    gone = [_dropped(t.source, "no audio in this range") for t in plan.tracks if t.source.index in silent]
    return replace(
        plan,
        tracks=tuple(t for t in plan.tracks if t.source.index not in silent),
        dropped=_in_order(plan.dropped, gone),
    )


def without_unseen(plan: Plan, seen: Set[int]) -> Plan:
    """The plan without the subtitle streams that have no data in its range; `seen`: the others, by index."""
    gone = [s.source for s in plan.subtitles if s.source.index not in seen]
    return replace(
        plan,
        subtitles=tuple(s for s in plan.subtitles if s.source.index in seen),
        dropped=_in_order(plan.dropped, [_dropped(stream, "no subtitles in this range") for stream in gone]),
    )


def _in_order(*dropped: Iterable[DroppedStream]) -> tuple[DroppedStream, ...]:
    return tuple(sorted(chain(*dropped), key=lambda d: d.index))


def _timecode(info: MediaInfo, video: StreamInfo, spec: CutSpec, mode: Mode) -> str | None:
    retimed = spec.output.rate is not None or bool(spec.effects.segments)
    if info.timecode is None or (mode == "encode" and retimed):
        return None
    return info.timecode if advanced(info.timecode, _rate(video), Fraction(0)) else None


def _rate(video: StreamInfo) -> Fraction:
    return (video.video and video.video.rate) or Fraction(0)


def _unusable(stream: StreamInfo) -> str | None:
    if stream.codec == "none":
        return "no decoder for this codec"
    if stream.audio is None or not stream.audio.sample_rate or not stream.audio.channels:
        return "its audio format is unknown"
    return None


def _why_dropped(stream: StreamInfo, container: Container, timecode: str | None) -> str | None:
    """Why a stream is dropped; None if the clip has it in another form."""
    if stream.codec == "chapters" or (stream.codec == "tmcd" and timecode is not None):
        return None
    if stream.codec == "tmcd":
        return "its timecode does not fit the clip's frame rate"
    if stream.kind == "video":
        return "cover art" if stream.attached_picture else "a clip has one video stream"
    if stream.kind == "subtitle":
        return f"{container.extension} does not support this subtitle format"
    if stream.kind == "attachment":
        return "attachments are not kept"
    return "not video or audio"


def _dropped(stream: StreamInfo, reason: str) -> DroppedStream:
    return DroppedStream(index=stream.index, codec=stream.codec, reason=reason)
