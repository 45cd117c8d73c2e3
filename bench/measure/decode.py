"""Decodes a file as a player does: every frame with its time and an identifying mark, every audio stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.container
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from bench.measure.strip import read as read_strip

THUMB = 72
"""Side length of a thumbnail in pixels; square, so that it can be rotated."""
_MICROSECOND = Fraction(1, 1_000_000)
_ROUNDING = 0.002
"""Seconds."""
_COVER_ART = Disposition.attached_pic | Disposition.timed_thumbnails

Mark = Callable[[Any], Any]
"""Identifies a frame: `number_of` or `thumb_of`."""


@dataclass(frozen=True)
class Video:
    """The frames of a file, in the decoder's output order."""

    times: tuple[Fraction, ...]
    """Seconds, sorted: players show frames with unordered times in decoder output order."""
    marks: tuple[Any, ...]
    bad_at: tuple[Fraction, ...]
    """Times of the packets that a strict decoder rejected."""
    backward: int
    """Number of frames whose time is not after that of the previous frame."""
    rotation: int
    """Degrees by which a player rotates the video."""


@dataclass(frozen=True)
class Audio:
    """One audio stream, mixed to mono, as contiguous samples."""

    start: float
    """Time of the first sample, in seconds."""
    rate: int
    samples: NDArray[np.float32]
    gap: float
    """Length of the longest gap, in seconds."""

    @property
    def end(self) -> float:
        """Time of the end of the last sample, in seconds."""
        return self.start + len(self.samples) / self.rate


def number_of(frame: Any) -> int | None:
    """The number in a generated frame's strip; None when it can't be read."""
    return read_strip(_luma(frame))


def thumb_of(frame: Any) -> NDArray[np.uint8]:
    """A grey thumbnail, flattened to one row."""
    luma = _luma(frame)
    rows, columns = (np.linspace(0, side, THUMB + 1).astype(int) for side in luma.shape)
    sums = np.add.reduceat(luma, rows[:-1], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    return np.asarray(sums / np.outer(np.diff(rows), np.diff(columns)), np.uint8).reshape(-1)


def _luma(frame: Any) -> NDArray[np.uint8]:
    """The coded luma in 8 bits. A conversion to grey would use the colour tags, which differ between a clip
    and its recording."""
    plane, bits = frame.planes[0], frame.format.components[0].bits
    kind = np.dtype(np.uint8 if bits == 8 else "<u2")
    whole = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    return np.asarray(whole[:, : plane.width] >> (bits - 8), np.uint8)


def zero_of(container: av.container.InputContainer) -> Fraction:
    """The time of a player's 0:00: time 0 of an MP4, and the first frame or audio sample of other
    containers."""
    if container.format.name.startswith("mov,"):
        return Fraction(0)
    start: int | None = container.start_time
    if start is None:
        return Fraction(0)
    begins = [
        Fraction(s.start_time * s.time_base)
        for s in container.streams
        if s.start_time is not None and s.time_base is not None
    ]
    near = [b for b in begins if abs(b - start * _MICROSECOND) <= _MICROSECOND]
    return min(near, default=start * _MICROSECOND)


def video_stream_of(container: av.container.InputContainer) -> Any:
    """The first video stream that is not cover art, or None."""
    return next((s for s in container.streams.video if not s.disposition & _COVER_ART), None)


def decode_video(
    path: Path,
    mark: Mark,
    *,
    begin: Fraction | None = None,
    end: Fraction | None = None,
    strict: bool = False,
    unhidden: bool = False,
    zero: Fraction = Fraction(0),
) -> Video:
    """Decode the frames with `begin` <= time < `end`; times are relative to `zero`.

    With `begin`, decoding starts at a keyframe before it. `strict` rejects packets as Chromium does.
    `unhidden` includes the frames that an edit list hides, at their original times."""
    times: list[Fraction] = []
    marks: list[Any] = []
    bad: list[Fraction] = []
    rotation = 0
    with av.open(f"file:{path}") as container:
        stream = video_stream_of(container)
        if stream is None:
            return Video((), (), (), 0, 0)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        if strict:
            stream.codec_context.options = {"err_detect": "explode"}
        if begin is not None:
            container.seek(int((begin + zero) / stream.time_base), stream=stream, backward=True)
        for frame, failed in _decoded(container, stream, unhidden=unhidden):
            if failed is not None:
                bad.append(failed - zero)
                continue
            if frame.pts is None:
                continue
            at = frame.pts * frame.time_base - zero
            if end is not None and at >= end + 1:
                break
            if (begin is None or at >= begin) and (end is None or at < end):
                rotation = int(frame.rotation)
                times.append(at)
                marks.append(mark(frame))
    backward = sum(b <= a for a, b in pairwise(times))
    return Video(tuple(sorted(times)), tuple(marks), tuple(bad), backward, rotation)


def _decoded(
    container: av.container.InputContainer, stream: Any, *, unhidden: bool = False
) -> Iterator[tuple[Any, Fraction | None]]:
    """Frames, and the times of packets that could not be decoded."""
    last = Fraction(0)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError:
            yield None, last
            return
        if packet.dts is not None or packet.pts is not None:
            last = (packet.pts if packet.pts is not None else packet.dts) * packet.time_base
        try:
            for frame in (_unhidden(packet, stream) if unhidden else packet).decode():
                yield frame, None
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            yield None, last


def _unhidden(packet: Any, stream: Any) -> Any:
    """The packet without the flag that makes decoders discard its frame."""
    if not packet.is_discard:
        return packet
    plain = av.Packet(bytes(packet))
    plain.pts, plain.dts, plain.time_base, plain.stream = packet.pts, packet.dts, packet.time_base, stream
    return plain


def decode_audio(
    path: Path, track: int, *, begin: float | None = None, end: float | None = None, zero: float = 0.0
) -> Audio | None:
    """Decode one audio stream. None when it can't be decoded. Times are relative to `zero`."""
    pieces: list[tuple[float, NDArray[np.float32]]] = []
    rate = 0
    with av.open(f"file:{path}") as container:
        stream = container.streams.audio[track]
        if begin is not None and begin > 5:
            container.seek(int((begin + zero) * 1_000_000), backward=True)
        for frame, _ in _decoded(container, stream):
            if frame is None or frame.pts is None:
                continue
            at = float(frame.pts * frame.time_base) - zero
            if end is not None and at >= end:
                break
            if begin is None or at + frame.samples / frame.sample_rate > begin:
                rate = frame.sample_rate
                pieces.append((at, _mono(frame)))
    return _concatenate(pieces, rate) if pieces else None


def _mono(frame: Any) -> NDArray[np.float32]:
    samples = frame.to_ndarray()
    if samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / np.iinfo(samples.dtype).max
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    return np.asarray(samples.mean(0), np.float32)


def _concatenate(pieces: list[tuple[float, NDArray[np.float32]]], rate: int) -> Audio:
    start = pieces[0][0]
    length = max(int((at - start + _ROUNDING) * rate) + len(piece) for at, piece in pieces) + 1
    line = np.zeros(length, np.float32)
    gap, reached = 0.0, start
    for at, piece in pieces:
        gap = max(gap, at - reached)
        # Matroska rounds times to milliseconds: treat smaller gaps as none.
        at = reached if abs(at - reached) < _ROUNDING else at
        reached = at + len(piece) / rate
        place = round((at - start) * rate)
        if place >= 0:
            line[place : place + len(piece)] = piece[: length - place]
    return Audio(start, rate, line[: round((reached - start) * rate)], gap)
