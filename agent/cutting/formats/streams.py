"""The streams of an opened container, where PyAV's types say too little or too much."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import Container
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream


def video_stream(container: Container, index: int) -> VideoStream:
    """The stream with this index, which the plan knows to be video."""
    return cast(VideoStream, container.streams[index])


def audio_stream(container: Container, index: int) -> AudioStream:
    """The stream with this index, which the plan knows to be audio."""
    return cast(AudioStream, container.streams[index])


def subtitle_stream(container: Container, index: int) -> SubtitleStream:
    """The stream with this index, which the plan knows to be subtitles."""
    return cast(SubtitleStream, container.streams[index])


def tick_of(stream: Stream) -> Fraction:
    """The stream's time base in seconds. Every demuxer sets one; only new output streams may have none."""
    assert stream.time_base is not None
    return stream.time_base


def context_of(stream: Stream) -> CodecContext | None:
    """The stream's codec context: None where libavcodec has no codec for it, whatever PyAV's types say."""
    return stream.codec_context
