"""Joins encoded segments into one video by copying their packets. Their frames keep their exact times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypeVar

import av
import av.container
from av.video.stream import VideoStream

from agent.cutting.formats.dts import decode_times
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of
from agent.cutting.reading.source import FULL, OPENING, out_of_space
from clipping.errors import EncoderFailed, NoSpace

T = TypeVar("T")

# A segment's edit list says that its first frame is shown at 0, and when it ends in milliseconds, which may
# cut off a frame. So it is ignored, and times are counted from the first frame.
_OPTIONS = {**OPENING["options"], "ignore_editlist": "1"}


class Mismatched(Exception):
    """Segments that do not make up one video. The text says why."""


@dataclass(frozen=True)
class Piece:
    """A segment to join, or a part of one between keyframes."""

    path: Path
    begin: int
    """When its first frame is shown in the clip, in ticks."""
    frames: int
    skip: int = 0
    """How many frames of the file come before it."""
    rest: int = 0
    """How many come after it."""


def frames_of(path: Path) -> int:
    """How many frames an encoded segment has. Raises `Mismatched` when it can't be read."""
    with _opened(path) as (container, video):
        return sum(1 for _ in _packets(container, video))


def alike(one: Path, other: Path) -> bool:
    """Whether two segments can be joined: their encoders' parameters agree. Raises `Mismatched`."""
    return parameters(one) == parameters(other)


def parameters(path: Path) -> bytes | None:
    """The encoder's parameters in a segment's header. Raises `Mismatched`."""
    with _opened(path) as (_, video):
        return video.codec_context.extradata


def join(
    pieces: Sequence[Piece], target: Path, tick: Fraction, usual: int, *, extradata: bytes | None = None
) -> None:
    """Write the video of all pieces as MP4. `tick`: seconds; `usual`: the usual distance of frames, in ticks.

    `extradata`: the parameters of all of them; None: each has the same ones. Raises `Mismatched`, `NoSpace`,
    and `EncoderFailed` when it can't be written.
    """
    shown = [at for piece in pieces for at in _shown(piece, tick)]
    if len(set(shown)) != len(shown):
        raise Mismatched("two frames are shown at one time")
    times = zip(shown, decode_times(shown, usual), strict=True)
    try:
        with av.open(f"file:{target}", "w", format="mp4") as file:
            stream: VideoStream | None = None
            for piece in pieces:
                with _opened(piece.path) as (container, video):
                    own = extradata or video.codec_context.extradata
                    if stream is None:
                        stream, common = file.add_stream_from_template(video, opaque=True), own
                        stream.time_base = tick
                        if extradata is not None:
                            stream.codec_context.extradata = extradata
                    if own != common:
                        raise Mismatched("their encoders' parameters differ")
                    for packet in _packets_of(piece, container, video):
                        pts, dts = next(times)
                        packet.pts, packet.dts, packet.duration = pts, dts, usual
                        packet.time_base, packet.stream = tick, stream
                        _write(file, packet)
    except av.error.FFmpegError as error:  # its end, which is written when it is closed
        raise _failed(error) from error


def _write(file: av.container.OutputContainer, packet: AnyPacket) -> None:
    try:
        file.mux_one(packet)
    except av.error.FFmpegError as error:
        raise _failed(error) from error


def _failed(error: av.error.FFmpegError) -> NoSpace | EncoderFailed:
    if out_of_space(error):
        return NoSpace(FULL)
    return EncoderFailed(f"the segments of the clip can't be joined: {error.strerror}")


def _shown(piece: Piece, tick: Fraction) -> list[int]:
    """When the frames of a piece are shown in the clip, in ticks and in decoding order."""
    with _opened(piece.path) as (container, video):
        every = [pts_of(packet) * tick_of(video) / tick for packet in _packets(container, video)]
    planned = piece.skip + piece.frames + piece.rest
    if len(every) != planned:
        raise Mismatched(f"a segment has {len(every)} frames and should have {planned}")
    before, found, after = split(every, piece.skip, piece.frames)
    if max(before, default=min(found) - 1) >= min(found) or min(after, default=max(found) + 1) <= max(found):
        raise Mismatched("its frames can't be separated there")
    first = min(found)
    if any(at.denominator != 1 for at in found):
        raise Mismatched("its frames are shown between ticks")
    return [piece.begin + int(at - first) for at in found]


def split(items: Sequence[T], skip: int, count: int) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """The items before, of, and after a piece."""
    return items[:skip], items[skip : skip + count], items[skip + count :]


def _packets_of(
    piece: Piece, container: av.container.InputContainer, video: VideoStream
) -> Iterator[AnyPacket]:
    chosen = islice(_packets(container, video), piece.skip, piece.skip + piece.frames)
    for number, packet in enumerate(chosen):
        if number == 0 and piece.skip and not packet.is_keyframe:
            raise Mismatched("there is no keyframe where it should begin")
        yield packet


def _packets(container: av.container.InputContainer, video: VideoStream) -> Iterator[AnyPacket]:
    yield from (packet for packet in container.demux([video]) if packet.size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[av.container.InputContainer, VideoStream]]:
    try:
        with av.open(f"file:{path}", format="mov", options=_OPTIONS) as container:
            yield container, container.streams.video[0]
    except av.error.FFmpegError as error:
        raise Mismatched(f"a segment can't be read: {error.strerror}") from error
