"""Probes a recording: its streams, its duration, and where its time line begins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.stream
from av.audio.codeccontext import AudioCodecContext
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from agent.cutting.formats.media import AudioInfo, Chapter, Kind, MediaInfo, StreamInfo, VideoInfo
from agent.cutting.formats.mp4 import rotations
from agent.cutting.formats.streams import context_of, tick_of
from agent.cutting.plan.bounds import MOST_CHAPTERS
from agent.cutting.process.limits import at_most_more
from agent.cutting.reading.source import SourceFile, open_path, open_source, reading
from clipping.errors import SourceCorrupt, SourceHasNoVideo

_MICROSECOND = Fraction(1, 1_000_000)
_COVER_ART = Disposition.attached_pic | Disposition.timed_thumbnails
_INTERLACED = frozenset({2, 3, 4, 5})
"""AV_FIELD_TT, BB, TB and BT."""
_BOTTOM_FIRST = frozenset({3, 4})
"""AV_FIELD_BB and TB: bottom displayed first."""
_FULL_RANGE = 2
_TIMECODE, _CHAPTERS = "tmcd", "chapters"
"""The names of these tracks in `StreamInfo.codec`."""
_CHAPTERS_BYTES = 64 << 20
"""The memory that a recording's chapters may take: enough for 50,000."""


def probe(path: Path) -> MediaInfo:
    """The streams and the metadata of the recording.

    Raises `SourceNotFound`, `SourceNotAllowed`, `SourceUnavailable`, `SourceCorrupt`, `SourceHasNoVideo`.
    """
    with open_path(path) as source, open_source(source) as container:
        return describe(container, source)


def describe(container: av.container.InputContainer, source: SourceFile) -> MediaInfo:
    """The streams and the metadata of an opened recording. Raises `SourceCorrupt`, `SourceHasNoVideo`."""
    info = examine(container, source)
    video = info.video_stream
    if video is None:
        raise SourceHasNoVideo(
            f"{source.name.name} has no video stream" + (", only audio" if info.audio_streams else "")
        )
    if video.codec == "none" or video.video is None or video.video.width == 0:
        raise SourceCorrupt(
            f"the video stream of {source.name.name} is unreadable: the file is damaged or incomplete"
        )
    return info


def examine(container: av.container.InputContainer, source: SourceFile) -> MediaInfo:
    """As `describe`, also of a recording without video. Raises `SourceCorrupt`."""
    turned = rotations(source.path) if "mp4" in container.format.name.split(",") else {}
    streams = tuple(_stream(s, turned.get(s.id, 0)) for s in container.streams)
    zero = _zero(container, streams)
    chapters = _chapters(container)
    return MediaInfo(
        container=container.format.name,
        zero=zero,
        duration=_duration(container, source.name, zero, streams),
        identity=source.identity,
        streams=streams,
        chapters=(chapters or ())[:MOST_CHAPTERS],
        more_chapters=chapters is None or len(chapters) > MOST_CHAPTERS,
        timecode=_timecode(container, streams),
        recorded=_recorded(container),
    )


def _recorded(container: av.container.InputContainer) -> datetime | None:
    try:
        recorded = datetime.fromisoformat(container.metadata["creation_time"])
    except (KeyError, ValueError):
        return None
    # Matroska may name no zone; its times are UTC (RFC 9559, 5.1.2.9), as all are here.
    return recorded.replace(tzinfo=UTC) if recorded.tzinfo is None else recorded.astimezone(UTC)


def _chapters(container: av.container.InputContainer) -> tuple[Chapter, ...] | None:
    """All of them; None when they take too much memory: libavformat's binding gives them all at once."""
    try:
        with at_most_more(_CHAPTERS_BYTES):
            chapters = container.chapters()
    except MemoryError:
        return None
    return tuple(
        Chapter(
            start=chapter["start"] * chapter["time_base"],
            end=chapter["end"] * chapter["time_base"],
            title=chapter["metadata"].get("title", ""),
        )
        for chapter in chapters[: MOST_CHAPTERS + 1]
        if chapter["time_base"] is not None
    )


def _timecode(container: av.container.InputContainer, streams: tuple[StreamInfo, ...]) -> str | None:
    """The video's, else that of the whole file, else a track's own."""
    video = [container.streams[s.index].metadata for s in streams if s.is_video]
    tracks = [container.streams[s.index].metadata for s in streams if s.codec == _TIMECODE]
    return next(filter(None, map(_tagged, [*video[:1], container.metadata, *tracks])), None)


def _tagged(metadata: Mapping[str, str]) -> str | None:
    return metadata.get("timecode") or metadata.get("TIMECODE")  # as Matroska has it


def _zero(container: av.container.InputContainer, streams: tuple[StreamInfo, ...]) -> Fraction:
    if container.format.name.startswith("mov,"):
        return Fraction(0)  # the file's own time line, edit lists included
    started: int | None = container.start_time  # None in files without times, whatever its type says
    if started is None:
        return Fraction(0)
    start = started * _MICROSECOND
    # libavformat rounds to microseconds; the stream that begins there knows the exact time, and without it
    # the very first frame could fall before the start.
    exact = [s.start for s in streams if s.start is not None and abs(s.start - start) <= _MICROSECOND]
    return min(exact, default=start)


def _duration(
    container: av.container.InputContainer, name: Path, zero: Fraction, streams: tuple[StreamInfo, ...]
) -> Fraction | None:
    if container.duration is not None and container.duration > 0:
        if container.format.name.startswith("mov,") and container.start_time is not None:
            return (container.start_time + container.duration) * _MICROSECOND
        return container.duration * _MICROSECOND
    video = next((s for s in streams if s.is_video), None)
    return None if video is None else _last_seen(container, name, container.streams[video.index], zero)


def _last_seen(
    container: av.container.InputContainer, name: Path, stream: Stream, zero: Fraction
) -> Fraction | None:
    """The end by the last packets, for files whose header names no duration (a recording cut off)."""
    try:
        container.seek(2**62, backward=True)
    except av.error.FFmpegError:
        return None
    last = None
    with reading(name):
        for packet in container.demux(stream):
            if packet.pts is not None:
                end = packet.pts + (packet.duration or 0)
                last = end if last is None else max(last, end)
    return None if last is None else last * tick_of(stream) - zero


def _stream(stream: Stream, rotation: int) -> StreamInfo:
    context = context_of(stream)
    time_base = stream.time_base or _MICROSECOND
    kind: Kind = stream.type
    return StreamInfo(
        index=stream.index,
        kind=kind,
        codec=context.codec.canonical_name if context is not None else _kind_of_data(stream),
        profile=stream.profile if kind in ("video", "audio") and context is not None else None,
        time_base=time_base,
        start=None if stream.start_time is None else stream.start_time * time_base,
        language=_language(stream.metadata.get("language")),
        title=stream.metadata.get("title"),
        default=bool(stream.disposition & Disposition.default),
        attached_picture=bool(stream.disposition & _COVER_ART),
        video=_video(stream, rotation) if isinstance(stream, VideoStream) and context is not None else None,
        audio=_audio(context) if isinstance(context, AudioCodecContext) else None,
    )


def _kind_of_data(stream: Stream) -> str:
    if _tagged(stream.metadata):
        return _TIMECODE
    # libavformat has read it, and passes over it from then on.
    return _CHAPTERS if stream.type == "data" and stream.discard == Discard.all else "none"


def _video(stream: VideoStream, rotation: int) -> VideoInfo:
    context = stream.codec_context
    return VideoInfo(
        width=context.width,
        height=context.height,
        pix_fmt=context.pix_fmt,
        sample_aspect=stream.sample_aspect_ratio or Fraction(1),
        rate=stream.average_rate or stream.guessed_rate,
        interlaced=int(context.field_order) in _INTERLACED,
        rotation=rotation,
        full_range=int(context.color_range) == _FULL_RANGE,
        color_space=int(context.colorspace),
        color_primaries=int(context.color_primaries),
        color_transfer=int(context.color_trc),
        reorder_frames=context.reorder_depth or 0,
        bottom_first=int(context.field_order) in _BOTTOM_FIRST,
    )


def _audio(context: AudioCodecContext) -> AudioInfo:
    return AudioInfo(sample_rate=context.sample_rate or 0, channels=context.channels or 0)


def _language(code: str | None) -> str | None:
    return None if code in (None, "", "und") else code
