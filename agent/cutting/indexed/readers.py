"""Which recordings can be cut by an excerpt of their samples."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO

from agent.cutting.formats.media import MediaInfo, StreamInfo
from agent.cutting.formats.mp4 import boxes
from agent.cutting.indexed.clusters import ClusterReader
from agent.cutting.indexed.excerpt import Reader
from agent.cutting.indexed.fragments import FragmentReader
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.tracks import Trak, fragmented_tracks
from agent.cutting.reading.holes import data_end
from agent.cutting.reading.source import SourceFile
from agent.cutting.reading.unindexed.clusters import clusters
from agent.cutting.reading.unindexed.fragments import fragments

Headers = Callable[[], bytes]
"""The result of `muxer.track_headers` for the streams of `kept`. Raises `NotPlain`."""
_VIDEO, _AUDIO = frozenset({"h264", "hevc"}), frozenset({"aac", "mp3"})


def kept(info: MediaInfo) -> list[StreamInfo]:
    """The streams of a recording that may be cut by an excerpt; none where it can't be."""
    video = info.video_stream
    if info.demuxer != "matroska" or video is None or video.codec not in _VIDEO:
        return []
    return [video, *(stream for stream in info.audio_streams if stream.codec in _AUDIO)]


@contextmanager
def reader_of(source: SourceFile, info: MediaInfo, headers: Headers) -> Iterator[Reader]:
    """The reader of a recording's samples. Raises `NotPlain` where there is none, and `OSError`."""
    with source.path.open("rb") as file:
        yield _reader(file, data_end(file.fileno(), source.identity.size), info, headers)


def _reader(file: BinaryIO, size: int, info: MediaInfo, headers: Headers) -> Reader:
    end = None if info.duration is None else info.zero + info.duration
    streams = kept(info)
    if streams:
        matroska = clusters(file, size)
        if matroska is not None:
            return ClusterReader(file, matroska, info, _tracks(headers(), streams), end)
    fragmented = fragments(file, size) if info.demuxer == "mov" else None
    if fragmented is not None:
        return FragmentReader(file, fragmented, end)
    raise NotPlain("it is neither fragmented MP4 nor Matroska")


def _tracks(headers: bytes, streams: list[StreamInfo]) -> dict[int, Trak]:
    """The tracks of `muxer.track_headers` by the index of their stream, with no samples."""
    try:
        index = next(box for box in boxes(io.BytesIO(headers), 0, len(headers)) if box.type == "moov")
    except (StopIteration, ValueError) as error:
        raise NotPlain(f"its headers can't be made: {error}") from None
    tracks = fragmented_tracks(headers[index.start : index.end], {})
    return {
        stream.index: replace(track, shift=0, time_base=_tick(stream, track.time_base))
        for stream, track in zip(streams, tracks, strict=True)
    }


def _tick(stream: StreamInfo, written: Fraction) -> Fraction:
    """A video keeps the recording's own times; audio is counted in samples."""
    return stream.time_base if stream.kind == "video" else written
