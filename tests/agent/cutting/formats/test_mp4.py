"""The boxes of an MP4 file: read as written, and rejected if they are inconsistent."""

from __future__ import annotations

import io
import math
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats.mp4 import AUDIO, VIDEO, Box, Boxes, Index, Track, boxes, rotations, top_level
from tests.support.media import Recording, make

SHORT = Recording(seconds=1, audio=())

contents = st.lists(
    st.tuples(st.sampled_from(["moov", "mdat", "free", "\xa9xyz"]), st.binary(max_size=20), st.booleans()),
    max_size=6,
)


def written(parts: list[tuple[str, bytes, bool]], *, open_ended: bool = False) -> bytes:
    """Boxes; those with True have a length of 64 bits, and the last may reach to the end of the file."""
    data = b""
    for number, (kind, content, wide) in enumerate(parts):
        name = kind.encode("latin-1")
        if open_ended and number == len(parts) - 1:
            data += bytes(4) + name + content
        elif wide:
            data += (1).to_bytes(4, "big") + name + (16 + len(content)).to_bytes(8, "big") + content
        else:
            data += (8 + len(content)).to_bytes(4, "big") + name + content
    return data


@settings(deadline=None)
@given(contents, st.booleans(), st.binary(max_size=5))
def test_boxes_are_found_as_they_were_written(
    parts: list[tuple[str, bytes, bool]], open_ended: bool, before: bytes
) -> None:
    data = before + written(parts, open_ended=open_ended)
    found = list(boxes(io.BytesIO(data), len(before), len(data)))
    assert [(box.type, data[box.start : box.end]) for box in found] == [(k, c) for k, c, _ in parts]


@settings(deadline=None)
@given(contents.filter(bool), st.data())
def test_what_is_cut_off_or_too_long_is_refused(
    parts: list[tuple[str, bytes, bool]], data: st.DataObject
) -> None:
    whole = written(parts)
    ends = {len(written(parts[:count])) for count in range(len(parts) + 1)}
    end = data.draw(st.integers(1, len(whole) + 7).filter(lambda n: n not in ends))
    with pytest.raises(ValueError):
        list(boxes(io.BytesIO((whole + bytes(7))[:end]), 0, end))


@pytest.mark.parametrize("size", [2, 7])
def test_a_box_shorter_than_its_header_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        list(boxes(io.BytesIO(size.to_bytes(4, "big") + b"free"), 0, 8))
    wide = (1).to_bytes(4, "big") + b"free" + (8 + size).to_bytes(8, "big")
    with pytest.raises(ValueError, match="does not fit"):
        list(boxes(io.BytesIO(wide), 0, 16))


def test_the_outermost_boxes_of_a_real_file_fill_it() -> None:
    path = make(SHORT)
    found = top_level(path)
    assert {"ftyp", "moov", "mdat"} <= {box.type for box in found}
    assert found[-1].end == path.stat().st_size


def turned(path: Path, degrees: int, version: int) -> bytes:
    """The file with its video turned by so much, anticlockwise; its `tkhd` is made of this version."""
    data = path.read_bytes()
    cosine, sine = (round(f(math.radians(-degrees))) << 16 for f in (math.cos, math.sin))
    matrix = [cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30]
    header = only(data, "moov", "trak", "tkhd")
    old = data[header.start : header.end]
    tail = b"".join(number.to_bytes(4, "big", signed=True) for number in matrix) + old[76:]
    if version == 0:
        return data[: header.start] + old[:40] + tail + data[header.end :]
    times = [old[4:8], old[8:12], old[20:24]]
    created, modified, length = (bytes(4) + time for time in times)
    new = b"\x01" + old[1:4] + created + modified + old[12:20] + length + old[24:40] + tail
    moov, trak = only(data, "moov"), only(data, "moov", "trak")
    longer = bytearray(data)
    for box, more in ((moov, 12), (trak, 12), (header, 12)):
        longer[box.start - 8 : box.start - 4] = (box.end - box.start + 8 + more).to_bytes(4, "big")
    return bytes(longer[: header.start]) + new + bytes(longer[header.end :])


def only(data: bytes, *path: str) -> Box:
    found = Box("", 0, len(data))
    for kind in path:
        found = next(b for b in boxes(io.BytesIO(data), found.start, found.end) if b.type == kind)
    return found


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_rotation_is_read_as_libavformat_reads_it(degrees: int, version: int, tmp_path: Path) -> None:
    source = make(SHORT)
    assert [box.type for box in top_level(source)][-1] == "moov"  # it may grow: the data does not move
    path = tmp_path / "turned.mp4"
    path.write_bytes(turned(source, degrees, version))
    assert rotations(path) == ({1: degrees} if degrees else {})
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation % 360 == degrees


@pytest.mark.parametrize("end", [0, 7, 100, -40])
def test_a_file_that_is_cut_off_has_no_known_rotation(end: int, tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    path.write_bytes(turned(make(SHORT), 90, 0)[:end])
    assert rotations(path) == {}
    assert rotations(tmp_path / "missing.mp4") == {}


@pytest.mark.parametrize("in_memory", [True, False])
def test_tracks_are_what_libavformat_says(in_memory: bool) -> None:
    path = make(Recording(audio=("aac", "libmp3lame")))
    data = path.read_bytes()
    box = only(data, "moov")
    with path.open("rb") as file, av.open(str(path)) as container:
        index = Index.of(data[box.start : box.end]) if in_memory else Index(Boxes(file), box)
        assert not index.fragmented
        tracks = index.tracks
        assert [track.handler for track in tracks] == [VIDEO, AUDIO, AUDIO]
        assert [track.number for track in tracks] == [stream.id for stream in container.streams]
        assert [track.tick for track in tracks] == [stream.time_base for stream in container.streams]
        assert [track.samples.count for track in tracks] == [stream.frames for stream in container.streams]
        assert all(len(track.edits) == 1 for track in tracks)


def full(kind: str, content: bytes) -> tuple[str, bytes, bool]:
    return kind, bytes(4) + content, False


def test_an_edit_list_that_names_more_entries_than_it_has_is_damaged() -> None:
    entry = (100).to_bytes(4, "big") + (-1).to_bytes(4, "big", signed=True) + (1 << 16).to_bytes(4, "big")
    for count in (1, 2, 0xFFFFFFFF):
        edits = written([("edts", written([full("elst", count.to_bytes(4, "big") + entry)]), False)])
        track = Track(Boxes.of(edits), Box("trak", 0, len(edits)))
        if count == 1:
            assert [(edit.length, edit.start, edit.rate) for edit in track.edits] == [(100, -1, 1 << 16)]
        else:
            with pytest.raises(ValueError, match="cut off"):
                _ = track.edits


def test_a_track_without_an_edit_list_has_no_edits() -> None:
    assert Track(Boxes.of(b""), Box("trak", 0, 0)).edits == []
