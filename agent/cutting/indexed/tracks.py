"""The tracks of a plain MP4 or MOV file: one of video, others of audio, simple edits."""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.mp4 import AUDIO, VIDEO, Boxes, Edit, Index, Track
from agent.cutting.formats.samples import NO_SAMPLES, Batch, Excerpt, Samples
from agent.cutting.indexed.not_plain import NotPlain

_KINDS = {VIDEO: "video", AUDIO: "audio"}
_CODINGS = frozenset({b"avc1", b"hvc1", b"mp4a"})
_CUT_SHORT = Fraction(1, 10)
"""Seconds by which an edit may end a track before its last sample: an encoder's padding."""
_PRIMING = Fraction(1, 10)
"""Seconds of audio that an edit may hide at the beginning: an encoder's delay."""


@dataclass(frozen=True)
class Trak:
    """One track."""

    kind: str
    """`video` or `audio`."""
    time_base: Fraction
    """Seconds a tick."""
    shift: int
    """Ticks that the track's own time is ahead of the file's, by its edit list."""
    until: int | None
    """Ticks of the file's time from which on its edit list shows nothing more of it; None: all is shown."""
    table: Samples
    header: bytes
    """The content of `tkhd`."""
    media_header: bytes
    """The content of `mdhd`."""
    handler: bytes
    """The whole box `hdlr`."""
    information: bytes
    """The boxes of `minf` but the tables."""
    description: bytes
    """The whole box `stsd`."""
    title: bytes
    """The box with its name; empty where it has none."""

    def __post_init__(self) -> None:
        if self.coding not in _CODINGS or int.from_bytes(self.description[12:16], "big") != 1:
            raise NotPlain(f"it holds {self.coding.decode('latin-1')}")

    @property
    def coding(self) -> bytes:
        """The name of the codec in the file."""
        return self.description[20:24]


def tracks_of(index: mmap.mmap) -> list[Trak]:
    """The tracks in the content of a `moov` box. Raises `NotPlain`."""
    try:
        return _tracks(Boxes.of(index), Index.of(index))
    except (ValueError, IndexError, KeyError, ArithmeticError) as error:
        raise NotPlain(f"its index is damaged: {error}") from None


def fragmented_tracks(index: bytes, samples: Mapping[int, Batch]) -> list[Trak]:
    """Those in the content of the `moov` of a fragmented file, with the samples of some of its fragments.

    `samples`: by the tracks' ids. Raises `NotPlain`.
    """
    try:
        file, content = Boxes.of(index), Index.of(index)
        tick = content.tick
        return [
            _trak(file, track, Excerpt(samples.get(track.number, NO_SAMPLES)), _start(track, tick), None)
            for track in content.tracks
        ]
    except (ValueError, IndexError, KeyError, ArithmeticError) as error:
        raise NotPlain(f"its index is damaged: {error}") from None


def _tracks(file: Boxes, index: Index) -> list[Trak]:
    if index.fragmented:
        raise NotPlain("it is fragmented")
    tick = index.tick
    found = [_track(file, track, tick) for track in index.tracks]
    if [track.kind for track in found].count("video") != 1:
        raise NotPlain("it does not hold one video stream")
    return found


def _track(file: Boxes, track: Track, file_tick: Fraction) -> Trak:
    if not track.samples.count:
        raise NotPlain("it has an empty track")
    return _trak(
        file, track, track.samples, *_edit(track, file_tick, video=_KINDS.get(track.handler) == "video")
    )


def _trak(file: Boxes, track: Track, samples: Samples, shift: int, until: int | None) -> Trak:
    kind = _KINDS.get(track.handler)
    if kind is None:
        raise NotPlain("it holds more than video and audio")
    return Trak(
        kind=kind,
        time_base=track.tick,
        shift=shift,
        until=until,
        table=samples,
        header=bytes(track.header),
        media_header=bytes(track.media_header),
        handler=file.whole(track.media["hdlr"]),
        information=b"".join(file.whole(b) for name, b in track.information.items() if name != "stbl"),
        description=file.whole(track.tables["stsd"]),
        title=track.title,
    )


def _start(track: Track, file_tick: Fraction) -> int:
    """`Trak.shift` of a fragmented file, whose edits say only when a track begins."""
    edits, delay = track.edits, Fraction(0)
    if edits and edits[0].start == -1:
        delay = edits.pop(0).length * file_tick
    if len(edits) > 1 or any(edit.rate != 1 << 16 or edit.start < 0 or edit.length for edit in edits):
        raise NotPlain("it is edited")
    return sum(edit.start for edit in edits) - round(delay / track.tick)


def _edit(track: Track, file_tick: Fraction, *, video: bool) -> tuple[int, int | None]:
    """`Trak.shift` and `Trak.until`."""
    edits: list[Edit] = track.edits
    if not edits:
        return 0, None
    tick, table, delay = track.tick, track.samples, Fraction(0)
    if edits[0].start == -1:
        delay = edits.pop(0).length * file_tick
    if len(edits) != 1 or edits[0].rate != 1 << 16 or edits[0].start < 0:
        raise NotPlain("it is edited")
    (edit,) = edits
    if edit.length and (table.duration - edit.start) * tick - edit.length * file_tick > _CUT_SHORT:
        raise NotPlain("its end is edited away")
    hidden = edit.start - (int(table.shown(0, min(table.count, WINDOW)).min()) if video else 0)
    if hidden * tick > (0 if video else _PRIMING):
        raise NotPlain("its beginning is edited away")
    until = math.ceil((delay + edit.length * file_tick) / tick) if edit.length else None
    return edit.start - round(delay / tick), until
