"""The audio of a copied clip: copied packets or a re-encoded track, in sync to the sample."""

from __future__ import annotations

from fractions import Fraction

import av
import av.container
import av.filter
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import AnyPacket
from agent.cutting.formats.streams import audio_stream, tick_of
from agent.cutting.plan.extent import LONGEST_USUAL, MOST_AUDIO_OFF, clamped_end
from agent.cutting.plan.outcome import AudioTrack
from agent.cutting.plan.plan import Plan
from agent.cutting.reading.damage import UNDECODABLE, Damage, stream_name
from agent.cutting.reading.seek import tick_from, tick_upto
from agent.cutting.writing.muxer import Sink

_TRAILING_SECONDS = 3
"""How far behind its video the audio may lie in the file."""
_AAC_RATES = frozenset({96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000})
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}


class AudioTracks:
    """All audio tracks of a clip whose video begins at `start` (seconds on the container's time line)."""

    def __init__(
        self,
        container: av.container.InputContainer,
        sink: Sink,
        plan: Plan,
        start: Fraction,
        bit_rate: int,
        damage: Damage,
    ) -> None:
        self._tracks: dict[int, CopiedTrack | EncodedTrack] = {}
        for track in plan.tracks:
            source = audio_stream(container, track.source.index)
            self._tracks[source.index] = (
                CopiedTrack(sink, source, track.source, start, plan.stop)
                if track.action == "copy"
                else EncodedTrack(sink, source, track.source, start, plan.stop, bit_rate, damage)
            )
        self._waiting = set(self._tracks)

    def take(self, packet: AnyPacket) -> None:
        """The next packet of the recording that is not video."""
        index = packet.stream_index
        if index in self._waiting and not self._tracks[index].take(packet):
            self._waiting.discard(index)

    def complete(self, beyond: Fraction) -> bool:
        """Whether no more is expected, when reading is `beyond` seconds past the clip's end."""
        return not self._waiting or beyond > _TRAILING_SECONDS

    def finish(self) -> tuple[tuple[AudioTrack, ...], set[int]]:
        """The written tracks, and the indexes of the recording's tracks without data."""
        written = {index: track.finish() for index, track in self._tracks.items()}
        tracks = tuple(track for track in written.values() if track is not None)
        silent = {index for index, track in written.items() if track is None}
        return tracks, silent


class CopiedTrack:
    """Packets that are played within the clip, and one before them, which AAC and MP3 decode from.

    By an edit of the track, the muxer has players begin with the sample at which the video begins.
    """

    def __init__(
        self, sink: Sink, source: AudioStream, info: StreamInfo, start: Fraction, stop: Fraction
    ) -> None:
        self._sink = sink
        self._out = sink.copied(source, info)
        self._start = tick_upto(start, tick_of(source))
        self._stop = tick_from(stop, tick_of(source))
        self._time_base = tick_of(source)
        self._longest_usual = int(LONGEST_USUAL / self._time_base)
        self._last: int | None = None
        self._first = 0
        self._duration = 0
        self._info = info

    def take(self, packet: AnyPacket) -> bool:
        """The next packet; False once the track is complete."""
        pts = packet.pts
        if pts is None or packet.size == 0:
            return True
        if pts >= self._stop:
            return False
        # Where a track pauses, its container may give the last packet the length of the pause.
        duration = packet.duration or 0
        if duration:
            duration = clamped_end(pts, pts + duration, self._stop, self._longest_usual) - pts
        earliest = self._start if self._sink.forward_only else self._start - 2 * duration + 1
        if pts < earliest or (self._last is not None and pts <= self._last):
            return True
        if self._last is None:
            self._first = pts
        self._last, self._duration = pts, duration
        packet.pts = packet.dts = pts - self._start
        packet.duration = duration
        self._sink.write(packet, self._out)
        return True

    def finish(self) -> AudioTrack | None:
        """The written track; None if it is empty."""
        if self._last is None:
            return None
        start, end = self._first - self._start, self._last + self._duration - self._start
        tick = self._time_base
        return AudioTrack(self._info.codec, self._info.language, start * tick, end * tick)


class EncodedTrack:
    """A track that is decoded, cut to the sample and encoded as AAC."""

    def __init__(
        self,
        sink: Sink,
        source: AudioStream,
        info: StreamInfo,
        start: Fraction,
        stop: Fraction,
        bit_rate: int,
        damage: Damage,
    ) -> None:
        assert info.audio is not None
        rate = info.audio.sample_rate if info.audio.sample_rate in _AAC_RATES else 48000
        layout = _LAYOUTS.get(info.audio.channels, "stereo")
        self._sink = sink
        self._source = source
        self._info = info
        self._start = start
        self._length = stop - start
        self._out = sink.encoded("aac", info, rate=rate, layout=layout, bit_rate=bit_rate)
        self._rate, self._layout = rate, layout
        self._graph: av.filter.Graph | None = None
        self._damage = damage
        self._end = Fraction(0)

    def take(self, packet: AnyPacket) -> bool:
        """The next packet; False once the track is complete."""
        if packet.size == 0:
            return True  # the file's end: what the decoder holds back comes in `finish`
        at = None if packet.pts is None else packet.pts * packet.time_base - self._start
        if at is not None and at >= self._length:
            return False
        try:
            frames = self._source.codec_context.decode(packet)
        except av.error.InvalidDataError:
            if at is not None and at >= 0:
                self._damage.add(at + self._start, stream_name(self._info), UNDECODABLE)
            return True
        for frame in frames:
            self._filter(frame)
        return True

    def finish(self) -> AudioTrack | None:
        """Encode the rest; the written track, or None if it is empty."""
        for frame in self._source.codec_context.decode(None):
            self._filter(frame)
        if self._graph is not None:
            self._graph.push(None)
            self._drain()
        for packet in self._out.encode(None):
            self._sink.write(packet, self._out)
        # A later beginning has silence before it.
        return AudioTrack("aac", self._info.language, Fraction(0), self._end) if self._graph else None

    def _filter(self, frame: AudioFrame) -> None:
        if frame.pts is None:
            return
        assert frame.time_base is not None  # only frames from a flush have none, and these have no pts
        begin = frame.pts * frame.time_base - self._start
        if begin + Fraction(frame.samples, frame.sample_rate) <= 0:
            return
        # Times by the clip's own start, in samples: the filters then trim and pad exactly.
        self._end = min(self._length, begin + Fraction(frame.samples, frame.sample_rate))
        frame.pts = round(begin * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
        if self._graph is None:
            self._graph = self._build(frame)
        self._graph.push(frame)
        self._drain()

    def _build(self, frame: AudioFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        chain = [
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base,
            ),
            graph.add("atrim", f"start_pts=0:end_pts={round(self._length * frame.sample_rate)}"),
            graph.add("aresample", f"{self._rate}:async=1:first_pts=0:min_hard_comp={MOST_AUDIO_OFF}"),
            graph.add(
                "aformat", f"sample_fmts=fltp:sample_rates={self._rate}:channel_layouts={self._layout}"
            ),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*chain).configure()
        return graph

    def _drain(self) -> None:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(frame, AudioFrame)  # its sink is one of audio
            for packet in self._out.encode(frame):
                self._sink.write(packet, self._out)
