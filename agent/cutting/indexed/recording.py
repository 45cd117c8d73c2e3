"""A plain recording, opened for reading by its index."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Self

import av
from av.video.codeccontext import VideoCodecContext

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.mp4 import Box, boxes
from agent.cutting.formats.nal import length_size, starts_clean
from agent.cutting.formats.packets import AnyPacket, packet_of
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.tracks import Trak
from agent.cutting.reading.source import SourceFile, check_present, decoder_options, reading

_VISUAL_ENTRY = 16 + 8 + 78
"""Where the boxes of a `stsd` with one video entry begin: behind its own header and the entry's fields."""
_CONFIGURATIONS = {b"avc1": ("h264", "avcC"), b"hvc1": ("hevc", "hvcC")}


class Recording:
    """Use as a context manager."""

    def __init__(self, source: SourceFile, tracks: Mapping[int, Trak], between: int = 0) -> None:
        """`tracks`: by the index of the stream, one of them video. Raises `NotPlain` and `OSError`."""
        self.between = between
        """Bytes that may lie between samples, and hold nothing but the container's own headers."""
        self.source = source
        self.tracks = tracks
        self.video = next(track for track in tracks.values() if track.kind == "video")
        if self.video.coding not in _CONFIGURATIONS:
            raise NotPlain("its video is coded otherwise")
        self.codec, self._box = _CONFIGURATIONS[self.video.coding]
        self.extradata = self._configuration()
        self._length_size = length_size(self.codec, self.extradata)
        self.file = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)

    @property
    def start(self) -> Fraction:
        """When the first frame is shown, in seconds on the file's time line."""
        table = self.video.table
        first = int(table.shown(0, min(table.count, WINDOW)).min())
        return (first - self.video.shift) * self.video.time_base

    def shown_before(self, stop: int) -> int:
        """`stop`, or where the edit list ends the video: no player shows the frames after that."""
        return stop if self.video.until is None else min(stop, self.video.until)

    def payload(self, sample: int) -> bytes:
        """A frame's bytes. Raises `NotPlain` when the file does not hold them, `SourceUnavailable`, and as
        `check_present`."""
        size = int(self.video.table.sizes(sample, sample + 1)[0])
        at = int(self.video.table.offsets(sample, sample + 1)[0])
        check_present(self.source, at, size)
        with reading(self.source.name, OSError):
            data = os.pread(self.file, size, at)
        if len(data) != size:
            raise NotPlain("it is shorter than its index says")
        return data

    def is_clean(self, sample: int) -> bool:
        """Whether a clip may begin with this frame."""
        return starts_clean(self.codec, memoryview(self.payload(sample)), self._length_size)

    def decoder(self) -> VideoCodecContext:
        """A decoder for the video."""
        decoder = av.CodecContext.create(self.codec, "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = self.extradata
        decoder.options = decoder_options()
        decoder.thread_type = "AUTO"
        return decoder

    def packets(self, samples: Iterable[int], shift: int) -> Iterator[AnyPacket]:
        """Frames to decode, with times less `shift`."""
        for sample in samples:
            packet = packet_of(self.payload(sample))
            packet.pts = int(self.video.table.shown(sample, sample + 1)[0]) - shift
            packet.dts = int(self.video.table.decoded(sample, sample + 1)[0]) - shift
            yield packet

    def described(self, extradata: bytes) -> bytes:
        """The track's `stsd` with other stream headers."""
        description = self.video.description
        found = [(b.type, description[b.start : b.end]) for b in self._entry()]
        inner = b"".join(
            (len(content) + 8).to_bytes(4, "big") + name.encode("latin-1") + content
            for name, content in [(n, extradata if n == self._box else c) for n, c in found]
        )
        entry = description[20:_VISUAL_ENTRY] + inner
        entry = (len(entry) + 4).to_bytes(4, "big") + entry
        return (16 + len(entry)).to_bytes(4, "big") + description[4:16] + entry

    def _entry(self) -> list[Box]:
        return list(boxes(io.BytesIO(self.video.description), _VISUAL_ENTRY, len(self.video.description)))

    def _configuration(self) -> bytes:
        try:
            found = next(box for box in self._entry() if box.type == self._box)
        except (StopIteration, ValueError):
            raise NotPlain(f"it has no {self._box}") from None
        return self.video.description[found.start : found.end]
