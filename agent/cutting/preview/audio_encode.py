"""Audio that browsers don't play, encoded as AAC for a window: at its exact times, as the video is a copy.

All windows of a recording encode the same grid of AAC frames, whatever part of it they hold: a frame that two
windows share replaces itself. Gaps become silence, at which no browser stalls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, floor

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.stream import Stream
from numpy.typing import NDArray

from agent.cutting.formats.packets import AnyPacket, packet_of, pts_of
from agent.cutting.formats.streams import context_of

NAME = "mp4a.40.2"
"""What is encoded here, in MIME types."""
_FRAME = 1024
"""Samples of an AAC frame, and those that its encoder puts in front."""
_LEAD = 2
"""Frames encoded before the first one: each is complete only with the one before it."""
_DECODED_BEFORE = Fraction(1, 4)
"""Seconds: a decoder's first packets are incomplete."""
_OFF = Fraction(1, 25)
"""Seconds by which rounded times may be off while the audio continues without a gap."""
_BITS = {1: 64_000, 2: 128_000}
_RATES = frozenset({44_100, 48_000})
_USUAL_RATE = 48_000


def decoder_of(audio: Stream) -> AudioCodecContext | None:
    """A new decoder for an audio stream; None where there is none."""
    original = context_of(audio)
    if original is None:
        return None
    decoder = av.CodecContext.create(original.codec.name, "r")
    assert isinstance(decoder, AudioCodecContext)
    assert isinstance(original, AudioCodecContext)
    decoder.extradata = original.extradata
    decoder.sample_rate = original.sample_rate
    decoder.layout = original.layout
    return decoder


def encoded(
    container: av.container.OutputContainer,
    source: Stream,
    packets: Sequence[AnyPacket],
    begin: Fraction,
    end: Fraction,
    *,
    again: bool,
) -> list[tuple[AnyPacket, Stream]]:
    """A range in seconds of the container as packets of a new stream: those that are played in it, or with
    `again` those that begin in it. Empty where nothing can be decoded."""
    decoder = decoder_of(source)
    if decoder is None or not decoder.sample_rate or not decoder.layout.nb_channels:
        return []
    rate = decoder.sample_rate if decoder.sample_rate in _RATES else _USUAL_RATE
    channels = min(2, decoder.layout.nb_channels)
    first = (ceil if again else floor)(begin * rate / _FRAME)
    count = ceil(end * rate / _FRAME) - first
    samples = np.zeros((channels, (count + _LEAD + 1) * _FRAME), np.float32)
    zero = (first - _LEAD) * _FRAME
    near = [p for p in packets if pts_of(p) * p.time_base > begin - _DECODED_BEFORE and p.size]
    if count < 1 or not _fill(samples, zero, _resampled(decoder, near, rate, channels), rate):
        return []
    stream = container.add_stream("aac", rate=rate)
    stream.layout = _layout(channels)
    stream.bit_rate = _BITS[channels]
    stream.codec_context.options = {"aac_coder": "fast"}
    stream.time_base = Fraction(1, rate)
    made = [
        packet
        for packet in _aac(stream, samples, zero, channels, rate)
        if first * _FRAME <= pts_of(packet) < (first + count) * _FRAME
    ]
    for packet in made:
        packet.dts, packet.duration = packet.pts, _FRAME
    return [(packet, stream) for packet in made]


def _resampled(
    decoder: AudioCodecContext, packets: Sequence[AnyPacket], rate: int, channels: int
) -> Iterator[AudioFrame]:
    resampler = av.AudioResampler(format="fltp", layout=_layout(channels), rate=rate)
    for packet in packets:
        copy = packet_of(bytes(packet))  # the packet itself may be written to the window
        copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
        try:
            for frame in decoder.decode(copy):
                yield from resampler.resample(frame)
        except av.error.FFmpegError:
            continue
    yield from resampler.resample(None)


def _fill(samples: NDArray[np.float32], zero: int, frames: Iterator[AudioFrame], rate: int) -> bool:
    """Put the frames where they are played; `zero`: the number of the first sample. Whether any is there."""
    behind: int | None = None
    found = False
    for frame in frames:
        if frame.pts is None or frame.time_base is None or not frame.samples:
            continue
        at = round(frame.pts * frame.time_base * rate) - zero
        if behind is not None and abs(at - behind) <= _OFF * rate:
            at = behind
        behind = at + frame.samples
        low, high = max(0, at), min(samples.shape[1], behind)
        if low < high:
            samples[:, low:high] = frame.to_ndarray()[:, low - at : high - at]
            found = True
    return found


def _aac(
    stream: AudioStream, samples: NDArray[np.float32], zero: int, channels: int, rate: int
) -> Iterator[AnyPacket]:
    for number in range(samples.shape[1] // _FRAME):
        part = np.ascontiguousarray(samples[:, number * _FRAME : (number + 1) * _FRAME])
        frame = AudioFrame.from_ndarray(part, format="fltp", layout=_layout(channels))
        frame.sample_rate = rate
        frame.pts, frame.time_base = zero + number * _FRAME, Fraction(1, rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"
