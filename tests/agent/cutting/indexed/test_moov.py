"""The index of a clip is read back as written: by our reader and by libavformat."""

from __future__ import annotations

import io
import math
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats.arrays import Ints
from agent.cutting.formats.mp4 import boxes, rotations, top_level
from agent.cutting.indexed.index import load_index
from agent.cutting.indexed.moov import Part, head
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.tracks import Trak, tracks_of
from tests.support.media import WIDTH, Recording, make, numbers

SOURCE = Recording(seconds=3, gop=25, audio=("aac",))
FILE_TICKS = 90000
LARGE = (1 << 32) - (64 << 20)
"""Bytes of data from which on places take 64 bits."""
RECORDED = datetime(2026, 3, 29, 1, 30, 15, tzinfo=UTC)


@cache
def sources() -> list[Trak]:
    """The tracks of a real recording: video, then audio."""
    return tracks_of(load_index(make(SOURCE)))


def ints(values: list[int]) -> Ints:
    return np.array(values, np.int64)


@st.composite
def parts(draw: st.DrawFn, source: Trak, *, video: bool) -> Part:
    """A track of up to 40 samples, in any order of display and with other bytes between some of them."""

    def drawn(low: int, high: int, count: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=count, max_size=count))

    count = draw(st.integers(1, 40))
    sizes, gaps = drawn(1, 1 << 17, count), drawn(0, 2, count)
    places = [sum(sizes[:n]) + sum(gaps[: n + 1]) for n in range(count)]
    decoded = [0, *np.cumsum(drawn(1, 2000, count - 1)).tolist()]
    shown = decoded
    if draw(st.booleans()):
        shown = [at + shift for at, shift in zip(decoded, drawn(0, 9000, count), strict=True)]
    keys = ints(sorted(draw(st.sets(st.integers(0, count - 1))))) if video and draw(st.booleans()) else None
    return Part(
        source=source,
        description=source.description,
        sizes=ints(sizes),
        places=ints(places),
        decoded=ints(decoded),
        shown=ints(shown),
        last_duration=draw(st.integers(1, 5000)),
        start=draw(st.integers(-100_000, min(shown))),
        keys=keys,
    )


@st.composite
def clips(draw: st.DrawFn) -> list[Part]:
    video, audio = sources()
    return [draw(parts(video, video=True)), *draw(st.lists(parts(audio, video=False), max_size=2))]


def written(
    clip: list[Part], data: int, recorded: datetime | None = None
) -> tuple[bytes, list[Trak], list[Any]]:
    """The index of a clip; its tracks as they are read from a file; and that file's outermost boxes."""
    index = head(clip, data, recorded)
    with tempfile.NamedTemporaryFile() as file:
        file.write(index)
        file.truncate(len(index) + data)
        path = Path(file.name)
        return index, tracks_of(load_index(path)), top_level(path)


def data_of(clip: list[Part]) -> int:
    return max(int(part.places[-1] + part.sizes[-1]) for part in clip)


@settings(max_examples=50, deadline=None)
@given(clips(), st.sampled_from([0, LARGE]))
def test_what_is_written_is_read_back(clip: list[Part], more: int) -> None:
    index, tracks, _ = written(clip, data_of(clip) + more)
    for part, track in zip(clip, tracks, strict=True):
        table = track.table
        count = len(part.sizes)
        assert table.count == count
        assert table.sizes(0, count).tolist() == part.sizes.tolist()
        assert table.offsets(0, count).tolist() == (part.places + len(index)).tolist()
        assert table.decoded(0, count).tolist() == part.decoded.tolist()
        assert table.duration == int(part.decoded[-1]) + part.last_duration
        assert (table.shown(0, count) - track.shift).tolist() == (part.shown - part.start).tolist()
        keys = range(count) if part.keys is None else part.keys.tolist()
        assert table.keys(0, count).tolist() == list(keys)
        assert (track.kind, track.time_base) == (part.source.kind, part.source.time_base)
        assert track.description == part.description
        assert track.handler == part.source.handler
        assert track.information == part.source.information


@settings(max_examples=50, deadline=None)
@given(clips())
def test_each_track_is_shown_to_the_end_of_its_last_sample(clip: list[Part]) -> None:
    index, tracks, _ = written(clip, data_of(clip))
    longest = max((p.shown.max() + p.last_duration - p.start) * p.source.time_base for p in clip)
    assert abs(int.from_bytes(file_header(index)[16:20], "big") - longest * FILE_TICKS) <= 1
    for part, track in zip(clip, tracks, strict=True):
        end = int(part.shown.max()) + part.last_duration - part.start
        assert track.until is not None
        assert abs(track.until - end) <= math.ceil(1 / (FILE_TICKS * track.time_base)) + 1


@settings(max_examples=50, deadline=None)
@given(clips(), st.sampled_from([0, LARGE]))
def test_the_data_follows_the_index_and_fills_the_file(clip: list[Part], more: int) -> None:
    data = data_of(clip) + more
    index, _, found = written(clip, data)
    assert [box.type for box in found] == ["ftyp", "moov", "mdat"]
    assert (found[-1].start, found[-1].end) == (len(index), len(index) + data)


def test_the_index_is_reckoned_alike_up_to_the_last_byte_of_narrow_places() -> None:
    clip = [plain_part(sources()[0], 5)]
    assert b"stco" in head(clip, LARGE - 1, None)
    assert b"co64" in head(clip, LARGE, None)


def test_offsets_above_4_gib_are_kept() -> None:
    places = ints([0, 5 << 30])
    index, (track,), _ = written([plain_part(sources()[0], 2, places=places)], 6 << 30)
    assert track.table.offsets(0, 2).tolist() == (places + len(index)).tolist()


def plain_part(source: Trak, count: int, step: int = 512, **other: Any) -> Part:
    part = Part(
        source=source,
        description=source.description,
        sizes=np.full(count, 10, np.int64),
        places=np.arange(count) * 10,
        decoded=np.arange(count) * step,
        shown=np.arange(count) * step,
        last_duration=step,
        start=0,
        keys=None,
    )
    return replace(part, **other)


def file_header(index: bytes) -> bytes:
    file = io.BytesIO(index)
    moov = next(box for box in boxes(file, 0, index.rindex(b"mdat") - 4) if box.type == "moov")
    header = next(box for box in boxes(file, moov.start, moov.end) if box.type == "mvhd")
    return index[header.start : header.end]


@pytest.mark.parametrize(
    ("recorded", "seconds"),
    [
        (None, 0),
        (datetime(1970, 1, 1, tzinfo=UTC), 2_082_844_800),
        (datetime(1903, 12, 31, tzinfo=UTC), 0),
        (datetime(2040, 2, 6, 6, 28, 15, tzinfo=UTC), (1 << 32) - 1),
        (datetime(2040, 2, 6, 6, 28, 16, tzinfo=UTC), 0),
    ],
)
def test_when_it_was_recorded_counts_from_1904_where_32_bits_can_hold_it(
    recorded: datetime | None, seconds: int
) -> None:
    header = file_header(head([plain_part(sources()[0], 3)], 30, recorded))
    assert [int.from_bytes(header[at : at + 4], "big") for at in (4, 8)] == [seconds, seconds]


@pytest.mark.parametrize("ticks", [1000, 12_800, 10_000_000])
def test_a_track_too_long_for_32_bits_is_left_to_libavformat(ticks: int) -> None:
    """At 10 million ticks a second, as some cameras count, that is one of more than 7 minutes."""
    source = replace(sources()[0], time_base=Fraction(1, ticks))

    def lasting(length: int) -> Part:
        times = ints([0, length - 1])
        return plain_part(source, 2, decoded=times, shown=times, last_duration=1)

    most = min(((1 << 32) - 1) * ticks // FILE_TICKS, (1 << 32) - 1)
    (track,) = written([lasting(most)], 20)[1]
    assert track.table.duration == most
    with pytest.raises(NotPlain, match="too long"):
        head([lasting(most + 1)], 20, None)


# A real clip


def copied(source: Trak, first: int, last: int, start: int | None = None) -> tuple[Part, bytes]:
    """The recording's own samples from `first` up to `last`, and their bytes.

    `start`: when the clip begins; None: with the first one shown.
    """
    table = source.table
    content = make(SOURCE).read_bytes()
    sizes = table.sizes(first, last)
    data = b"".join(content[a : a + n] for a, n in zip(table.offsets(first, last), sizes, strict=True))
    decoded = table.decoded(first, last)
    shown = table.shown(first, last) - decoded[0]
    part = Part(
        source=source,
        description=source.description,
        sizes=sizes,
        places=np.cumsum(sizes) - sizes,
        decoded=decoded - decoded[0],
        shown=shown,
        last_duration=int(table.durations(last - 1, last)[0]),
        start=int(shown.min()) if start is None else start,
        keys=table.keys(first, last) - first if source.kind == "video" else None,
    )
    return part, data


@pytest.mark.parametrize(
    ("number", "first", "last", "start"),
    [(0, 25, 60, None), (1, 10, 90, None), (1, 10, 90, -4800)],
    ids=["video", "audio", "audio that begins later"],
)
def test_libavformat_demuxes_what_was_written(
    number: int, first: int, last: int, start: int | None, tmp_path: Path
) -> None:
    part, data = copied(sources()[number], first, last, start)
    path = tmp_path / "clip.mp4"
    # Without a video it is no clip that the engine reads by index, but a file like any other to libavformat.
    path.write_bytes(head([part], len(data), RECORDED) + data)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        assert [p.pts for p in packets] == (part.shown - part.start).tolist()
        assert [p.dts for p in packets] == (part.decoded - part.start).tolist()
        assert b"".join(bytes(p) for p in packets) == data
        keys = range(len(packets)) if part.keys is None else part.keys.tolist()
        assert [n for n, p in enumerate(packets) if p.is_keyframe] == list(keys)
        assert datetime.fromisoformat(container.metadata["creation_time"]) == RECORDED
        end = (int(part.shown.max()) + part.last_duration - part.start) * part.source.time_base
        assert container.start_time is not None
        assert container.duration is not None
        ends = (container.start_time + container.duration) / 1_000_000
        assert ends == pytest.approx(float(end), abs=1e-3)


def test_the_clip_shows_the_frames_it_was_given(tmp_path: Path) -> None:
    part, data = copied(sources()[0], 25, 60)
    path = tmp_path / "clip.mp4"
    path.write_bytes(head([part], len(data), None) + data)
    assert len(part.sizes) == 35
    assert numbers(path) == list(range(25, 60))


def test_languages_are_kept(tmp_path: Path) -> None:
    german = sum(ord(letter) - 0x60 << shift for letter, shift in zip("deu", (10, 5, 0), strict=True))
    video, audio = sources()
    header = audio.media_header[:-4] + german.to_bytes(2, "big") + bytes(2)
    clip = [plain_part(video, 4), plain_part(replace(audio, media_header=header), 4)]
    path = tmp_path / "clip.mp4"
    path.write_bytes(head(clip, 40, None) + bytes(40))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].metadata["language"] == "deu"
        assert container.streams.video[0].codec_context.width == WIDTH


def version_1(header: bytes) -> bytes:
    """The content of `tkhd` with times of 64 bits."""
    times, track, duration, rest = header[4:12], header[12:20], header[20:24], header[24:]
    return (
        b"\1" + header[1:4] + bytes(4) + times[:4] + bytes(4) + times[4:] + track + bytes(4) + duration + rest
    )


@pytest.mark.parametrize("wide", [False, True])
def test_size_and_rotation_are_kept_from_a_header_of_either_version(wide: bool, tmp_path: Path) -> None:
    video = sources()[0]
    quarter = np.array([0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    header = video.header[:40] + quarter + video.header[76:]
    source = replace(video, header=version_1(header) if wide else header)
    path = tmp_path / "clip.mp4"
    path.write_bytes(head([plain_part(source, 4)], 40, None) + bytes(40))
    assert rotations(path) == {1: 270}
    (track,) = tracks_of(load_index(path))
    assert track.header[24:] == header[24:]
    assert track.header[1:4] == header[1:4]
