"""The samples in an MP4's index are those that libavformat demuxes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from agent.cutting import find_ffmpeg
from agent.cutting.indexed.index import load_index
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording as Indexed
from agent.cutting.indexed.tracks import Trak, tracks_of
from agent.cutting.reading.source import open_path
from tests.support.media import Recording, make

RECORDINGS = {
    "plain": Recording(),
    "without B-frames": Recording(reordered=0),
    "29.97 in MOV": Recording("mov", rate=Fraction(30000, 1001), gop=60),
    "two audio streams": Recording(audio=("aac", "libmp3lame")),
    "silent": Recording(audio=()),
    "uneven": Recording(video=("-c:v", "libx264", "-fps_mode", "vfr"), filters="select='mod(n\\,7)'"),
}


def tracks(path: Path) -> list[Trak]:
    return tracks_of(load_index(path))


@contextmanager
def demuxed(path: Path) -> Iterator[tuple[object, list[list[av.Packet]]]]:
    """The file's packets, by stream."""
    with av.open(str(path)) as container:
        packets: list[list[av.Packet]] = [[] for _ in container.streams]
        for packet in container.demux():
            if packet.size:
                packets[packet.stream_index].append(packet)
        yield container, packets


@pytest.mark.parametrize("kind", RECORDINGS)
def test_samples_lie_and_are_shown_where_libavformat_says(kind: str) -> None:
    path = make(RECORDINGS[kind])
    content = path.read_bytes()
    with demuxed(path) as (_, streams):
        for track, packets in zip(tracks(path), streams, strict=True):
            table = track.table
            assert table.count == len(packets)
            shown = table.shown(0, table.count) - track.shift
            assert shown.tolist() == [p.pts for p in packets]
            places = zip(table.offsets(0, table.count), table.sizes(0, table.count), strict=True)
            assert all(content[a : a + n] == bytes(p) for (a, n), p in zip(places, packets, strict=True))
            keys = [n for n, p in enumerate(packets) if p.is_keyframe]
            assert table.keys(0, table.count).tolist() == keys


@pytest.mark.parametrize("kind", ["plain", "uneven", "two audio streams"])
def test_a_part_of_a_table_is_the_part_of_the_whole(kind: str) -> None:
    dice = np.random.default_rng(1)
    for track in tracks(make(RECORDINGS[kind])):
        table = track.table
        whole = {
            name: getattr(table, name)(0, table.count)
            for name in ("offsets", "sizes", "decoded", "shown", "durations")
        }
        for _ in range(60):
            first, last = sorted(dice.integers(0, table.count + 1, 2).tolist())
            for name, values in whole.items():
                assert getattr(table, name)(first, last).tolist() == values[first:last].tolist(), name


@pytest.mark.parametrize("kind", ["plain", "uneven"])
def test_the_sample_of_a_moment_is_found(kind: str) -> None:
    table = tracks(make(RECORDINGS[kind]))[0].table
    decoded = table.decoded(0, table.count)
    for time in range(0, int(table.duration) + 1000, 777):
        assert table.at(time) == max(0, int(np.searchsorted(decoded, time, "right")) - 1)


def test_the_first_frame_is_shown_when_libavformat_says() -> None:
    path = make()
    with (
        open_path(path) as source,
        Indexed(source, dict(enumerate(tracks(path)))) as recording,
        av.open(str(path)) as container,
    ):
        video = container.streams.video[0]
        assert video.start_time is not None
        assert recording.start == video.start_time * video.time_base


NOT_PLAIN = {
    "fragmented": (*["-c", "copy", "-movflags", "frag_keyframe+empty_moov"], "mp4"),
    "no MP4": ("-c", "copy", "mkv"),
    "another codec": (*["-c:a", "copy", "-c:v", "mpeg4"], "mp4"),
    "audio only": (*["-vn", "-c", "copy"], "mp4"),
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_what_is_not_plain_is_left_to_libavformat(kind: str, tmp_path: Path) -> None:
    *arguments, extension = NOT_PLAIN[kind]
    target = tmp_path / f"odd.{extension}"
    command = [str(find_ffmpeg(None)), "-v", "error", "-i", str(make()), *arguments, str(target)]
    subprocess.run(command, check=True, timeout=60)
    with pytest.raises(NotPlain):
        tracks(target)


def test_a_damaged_index_is_not_plain_and_no_crash(tmp_path: Path) -> None:
    whole = bytearray(make().read_bytes())
    start = whole.rindex(b"moov")
    dice = np.random.default_rng(2)
    for number in range(150):
        damaged = bytearray(whole)
        for at in dice.integers(start + 4, len(whole), 3):
            damaged[at] = dice.integers(0, 256)
        target = tmp_path / "damaged.mp4"
        target.write_bytes(damaged)
        try:
            for track in tracks(target):
                track.table.offsets(0, min(track.table.count, 10))
        except NotPlain:
            continue
        except (OverflowError, MemoryError, ZeroDivisionError) as error:
            pytest.fail(f"{number}: {error!r}")
