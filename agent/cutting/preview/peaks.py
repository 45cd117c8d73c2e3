"""A waveform: the lowest and the highest sample of each step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import av.container
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.stream import Discard
from numpy.typing import NDArray

from agent.cutting.formats.streams import audio_stream, tick_of
from agent.cutting.preview.audio_encode import decoder_of
from agent.cutting.preview.describe import audio_of
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import Peaks
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import tick_upto
from clipping.errors import InvalidRequest, SourceCorrupt

_BACK = Fraction(1, 4)
"""Seconds before the range at which to begin: a decoder's first packets are incomplete."""
_HIGHEST = 127


def peaks(media: Media, start: Fraction, stop: Fraction, px: int) -> Peaks:
    """See `Previews.peaks`. Steps without audio are 0."""
    media.check_within(start, "from")
    stream = audio_of(media) or next(iter(media.info.audio_streams), None)
    if stream is None:
        raise InvalidRequest(f"{media.source.name.name} has no audio stream", field="recording")
    steps = _Steps(start + media.info.zero, stop + media.info.zero, px)
    with media.near(steps.start, steps.stop) as container:
        audio = audio_stream(container, stream.index)
        decoder = decoder_of(audio)
        if decoder is None:
            raise SourceCorrupt(f"the audio of {media.source.name.name} can't be decoded")
        with _only(container, audio):
            # Packed, as PyAV crashes where 8 channels have a plane each (DTS-HD).
            packed = av.AudioResampler(format="flt")
            for frame in _frames(media, container, audio, decoder, steps.start, steps.stop):
                for part in packed.resample(frame):
                    steps.add(part)
    return Peaks(steps.data(), start, stop)


class _Steps:
    """The extremes so far."""

    def __init__(self, start: Fraction, stop: Fraction, px: int) -> None:
        self.start, self.stop, self._px = start, stop, px
        self._low = np.full(px, np.inf, np.float32)
        self._high = np.full(px, -np.inf, np.float32)

    def add(self, frame: AudioFrame) -> None:
        """The samples of a frame."""
        if frame.pts is None or frame.time_base is None or not frame.samples:
            return
        low, high = _extremes(frame)
        begin = float(frame.pts * frame.time_base - self.start)
        width = float(self.stop - self.start) / self._px
        places = np.floor((begin + np.arange(len(low)) / frame.sample_rate) / width).astype(np.int64)
        first = np.flatnonzero(np.diff(places, prepend=-(1 << 40)))  # of each step
        lows, highs, steps = np.minimum.reduceat(low, first), np.maximum.reduceat(high, first), places[first]
        within = (steps >= 0) & (steps < self._px)
        steps = steps[within]
        self._low[steps] = np.minimum(self._low[steps], lows[within])
        self._high[steps] = np.maximum(self._high[steps], highs[within])

    def data(self) -> bytes:
        """As signed bytes."""
        known = np.isfinite(self._low)
        pairs = np.stack([np.where(known, self._low, 0), np.where(known, self._high, 0)], 1)
        clipped: NDArray[np.float32] = np.clip(np.rint(pairs * _HIGHEST), -_HIGHEST, _HIGHEST)
        return clipped.astype(np.int8).tobytes()


def _extremes(frame: AudioFrame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of all channels, for each sample, from -1 to 1."""
    data = frame.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.float32)
    return data.min(1), data.max(1)


def _frames(
    media: Media,
    container: av.container.InputContainer,
    audio: AudioStream,
    decoder: AudioCodecContext,
    start: Fraction,
    stop: Fraction,
) -> Iterator[AudioFrame]:
    tick = tick_of(audio)
    try:
        container.seek(tick_upto(start - _BACK, tick), stream=audio, backward=True)
    except av.error.FFmpegError:
        return
    for packet in packets(container, [audio]):
        if (packet.pts is not None and packet.pts * tick >= stop) or media.late:
            break
        try:
            yield from decoder.decode(packet if packet.size else None)
        except av.error.FFmpegError:
            continue


@contextmanager
def _only(container: av.container.InputContainer, kept: AudioStream) -> Iterator[None]:
    """Let libavformat skip the other streams: of an MP4 it then reads nothing else."""
    before = {stream.index: stream.discard for stream in container.streams}
    for stream in container.streams:
        if stream.index != kept.index:
            stream.discard = Discard.all
    try:
        yield
    finally:
        for stream in container.streams:
            stream.discard = before[stream.index]
