"""Reading a file as a viewer gets it: every picture with its time and a mark to know it by, every sound."""

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
"""Pixels of a thumbnail's sides; square, so that it can be turned."""
_MICROSECOND = Fraction(1, 1_000_000)
_ROUNDING = 0.002
"""Seconds."""
_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails

Mark = Callable[[Any], Any]
"""What a frame is known by: `number_of` or `thumb_of`."""


@dataclass(frozen=True)
class Film:
    """The pictures of a file, in the order they come out of the decoder."""

    times: tuple[Fraction, ...]
    """Seconds, sorted: in files whose frames carry scrambled times, pictures are shown in their order."""
    marks: tuple[Any, ...]
    bad_at: tuple[Fraction, ...]
    """Times of the packets that a strict decoder refused."""
    backward: int
    """Pictures whose own time is not after that of the one before."""
    rotation: int
    """Degrees that a player turns the picture by."""


@dataclass(frozen=True)
class Sound:
    """One sound track, mixed to mono, on one line of samples."""

    start: float
    """Seconds of the first sample."""
    rate: int
    samples: NDArray[np.float32]
    hole: float
    """Seconds of the longest gap within."""

    @property
    def end(self) -> float:
        """Seconds."""
        return self.start + len(self.samples) / self.rate


def number_of(frame: Any) -> int | None:
    """The number in a made picture's strip; None when it can't be read."""
    return read_strip(_luma(frame))


def thumb_of(frame: Any) -> NDArray[np.uint8]:
    """A small grey picture, as one row."""
    luma = _luma(frame)
    rows, columns = (np.linspace(0, side, THUMB + 1).astype(int) for side in luma.shape)
    sums = np.add.reduceat(luma, rows[:-1], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    return np.asarray(sums / np.outer(np.diff(rows), np.diff(columns)), np.uint8).reshape(-1)


def _luma(frame: Any) -> NDArray[np.uint8]:
    """As it is coded, in 8 bits: a conversion to grey would look at the colours, which are tagged differently
    in a clip and its recording."""
    plane, bits = frame.planes[0], frame.format.components[0].bits
    kind = np.dtype(np.uint8 if bits == 8 else "<u2")
    whole = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    return np.asarray(whole[:, : plane.width] >> (bits - 8), np.uint8)


def zero_of(container: av.container.InputContainer) -> Fraction:
    """Where a player's 0:00 lies: an MP4's movie time, and the first picture or sound of everything else."""
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


def movie_of(container: av.container.InputContainer) -> Any:
    """The first video that is no cover art, or None."""
    return next((s for s in container.streams.video if not s.disposition & _PICTURES), None)


def film(
    path: Path,
    mark: Mark,
    *,
    begin: Fraction | None = None,
    end: Fraction | None = None,
    strict: bool = False,
    unhidden: bool = False,
    zero: Fraction = Fraction(0),
) -> Film:
    """Decode the pictures with `begin` <= time < `end`, times counted from `zero`.

    With `begin`, decoding starts at a keyframe before it. `strict` refuses what Chromium refuses; `unhidden`
    gives the pictures as well that an edit list hides, each at the time it would have.
    """
    times: list[Fraction] = []
    marks: list[Any] = []
    bad: list[Fraction] = []
    rotation = 0
    with av.open(f"file:{path}") as container:
        stream = movie_of(container)
        if stream is None:
            return Film((), (), (), 0, 0)
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
    return Film(tuple(sorted(times)), tuple(marks), tuple(bad), backward, rotation)


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
    """The packet without the mark that makes decoders drop its picture."""
    if not packet.is_discard:
        return packet
    plain = av.Packet(bytes(packet))
    plain.pts, plain.dts, plain.time_base, plain.stream = packet.pts, packet.dts, packet.time_base, stream
    return plain


def sound(
    path: Path, track: int, *, begin: float | None = None, end: float | None = None, zero: float = 0.0
) -> Sound | None:
    """One sound track, or None when nothing of it can be decoded. Times counted from `zero`."""
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
    return _on_a_line(pieces, rate) if pieces else None


def _mono(frame: Any) -> NDArray[np.float32]:
    samples = frame.to_ndarray()
    if samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / np.iinfo(samples.dtype).max
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    return np.asarray(samples.mean(0), np.float32)


def _on_a_line(pieces: list[tuple[float, NDArray[np.float32]]], rate: int) -> Sound:
    start = pieces[0][0]
    length = max(int((at - start + _ROUNDING) * rate) + len(piece) for at, piece in pieces) + 1
    line = np.zeros(length, np.float32)
    hole, reached = 0.0, start
    for at, piece in pieces:
        hole = max(hole, at - reached)
        # Matroska rounds times to milliseconds: what follows without a real gap follows directly.
        at = reached if abs(at - reached) < _ROUNDING else at
        reached = at + len(piece) / rate
        place = round((at - start) * rate)
        if place >= 0:
            line[place : place + len(piece)] = piece[: length - place]
    return Sound(start, rate, line[: round((reached - start) * rate)], hole)
