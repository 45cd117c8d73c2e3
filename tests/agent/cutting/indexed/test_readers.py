"""The samples in fragments and clusters are those that libavformat demuxes, wherever reading begins."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from agent.cutting import CutSpec, find_ffmpeg
from agent.cutting.cache import Cache
from agent.cutting.formats.samples import Batch, joined
from agent.cutting.indexed.clusters import even
from agent.cutting.indexed.cut import suits
from agent.cutting.indexed.excerpt import Reader
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.readers import kept, reader_of
from agent.cutting.plan.plan import plan_cut
from agent.cutting.reading.probe import describe
from agent.cutting.reading.source import open_path, open_source
from agent.cutting.recording import Opened
from agent.cutting.writing.muxer import track_headers
from tests.agent.cutting.conftest import Cut
from tests.support.media import Recording, make

FRAGMENTED = {
    "by keyframe": "frag_keyframe+empty_moov",
    "based on the fragment": "frag_keyframe+empty_moov+default_base_moof",
    "without offsets": "frag_keyframe+empty_moov+omit_tfhd_offset",
    "a fragment per track": "frag_keyframe+empty_moov+separate_moof",
    "a fragment per frame": "frag_every_frame+empty_moov",
    "listed": "frag_keyframe+empty_moov+global_sidx",
    "for streaming": "dash+frag_keyframe+empty_moov",
    "with an edit list": "frag_keyframe+delay_moov",
}
MATROSKA = {
    "with cues": (),
    "live": ("-live", "1"),
    "small clusters": ("-cluster_time_limit", "100"),
    "a delay": ("-output_ts_offset", "2"),
}
RECORDINGS = {
    "plain": Recording(),
    "no B-frames, silent": Recording(reordered=0, audio=()),
    "29.97 and two audio streams": Recording(rate=Fraction(30000, 1001), audio=("aac", "libmp3lame")),
}


def muxed(recording: Recording, target: Path, *arguments: str) -> Path:
    """The recording in another container."""
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-i", str(make(recording)), "-map", "0"]
    subprocess.run([*command, "-c", "copy", *arguments, str(target)], check=True, timeout=60)
    return target


@contextmanager
def read(path: Path) -> Iterator[Reader]:
    """The reader of a recording."""
    with open_path(path) as source:
        with open_source(source) as container:
            info = describe(container, source)
            headers = track_headers(container, kept(info)) if kept(info) else b""
        with reader_of(source, info, lambda: headers) as reader:
            yield reader


def packets(path: Path) -> list[list[av.Packet]]:
    """The file's packets, by stream."""
    with av.open(str(path)) as container:
        found: list[list[av.Packet]] = [[] for _ in container.streams]
        for packet in container.demux():
            if packet.size:
                found[packet.stream_index].append(packet)
        return found


def all_of(reader: Reader, begin: int, end: int | None = None) -> dict[int, Batch]:
    """The samples from one place to another."""
    found = list(reader.batches(begin, end))
    return {index: joined([b[index] for b in found if index in b]) for index in {i for b in found for i in b}}


def check_samples(path: Path, close: Callable[[Fraction], bool], *, flagged: bool = True) -> None:
    """`close`: whether a difference between two times in seconds is none; `flagged`: whether libavformat
    flags keyframes as the file does."""
    content = path.read_bytes()
    with read(path) as reader:
        tracks = reader.tracks(all_of(reader, reader.first))
        expected = packets(path)
        assert sorted(tracks) == list(range(len(expected)))
        for index, track in tracks.items():
            table, own = track.table, expected[index]
            assert table.count == len(own)
            shown = table.shown(0, table.count) - track.shift
            for at, packet in zip(shown.tolist(), own, strict=True):
                assert packet.pts is not None
                assert close(at * track.time_base - packet.pts * packet.time_base)
            places = zip(table.offsets(0, table.count), table.sizes(0, table.count), strict=True)
            assert all(content[a : a + n] == bytes(p) for (a, n), p in zip(places, own, strict=True))
            if flagged:
                assert table.keys(0, table.count).tolist() == [n for n, p in enumerate(own) if p.is_keyframe]


@pytest.mark.parametrize("kind", RECORDINGS)
@pytest.mark.parametrize("shape", FRAGMENTED)
def test_samples_of_fragments(shape: str, kind: str, tmp_path: Path) -> None:
    if shape == "listed" and len(RECORDINGS[kind].audio) > 1:
        pytest.skip("libavformat loses samples there")
    path = muxed(RECORDINGS[kind], tmp_path / "fragmented.mp4", "-movflags", FRAGMENTED[shape])
    check_samples(path, lambda seconds: seconds == 0, flagged=shape != "listed")


@pytest.mark.parametrize("kind", RECORDINGS)
@pytest.mark.parametrize("shape", MATROSKA)
def test_samples_of_clusters(shape: str, kind: str, tmp_path: Path) -> None:
    path = muxed(RECORDINGS[kind], tmp_path / "recording.mkv", *MATROSKA[shape])
    check_samples(path, lambda seconds: abs(seconds) <= Fraction(1, 900))


def places(content: bytes, extension: str) -> list[int]:
    """Where fragments or clusters begin."""
    signature, ahead = (b"moof", 4) if extension == "mp4" else (b"\x1f\x43\xb6\x75", 0)
    found = [content.find(signature)]
    while found[-1] >= 0:
        found.append(content.find(signature, found[-1] + 1))
    return [at - ahead for at in found[:-1]]


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_what_was_read_before_a_place_is_joined_with_what_lies_behind_it(
    extension: str, tmp_path: Path
) -> None:
    arguments = (
        ("-movflags", "frag_keyframe+empty_moov") if extension == "mp4" else ("-cluster_time_limit", "500")
    )
    path = muxed(Recording(), tmp_path / f"recording.{extension}", *arguments)
    begins = places(path.read_bytes(), extension)
    with read(path) as reader:
        whole = all_of(reader, reader.first)
        for place in begins[1:]:
            later, earlier = all_of(reader, place), all_of(reader, reader.first, place)
            for index, batch in whole.items():
                parts = [found[index] for found in (earlier, later) if index in found]
                assert joined(parts).offsets.tolist() == batch.offsets.tolist()
                assert joined(parts).keys.tolist() == batch.keys.tolist()


@pytest.mark.parametrize("damage", ["zeros", "cut off", "noise"])
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_a_damaged_structure_is_left_to_libavformat(extension: str, damage: str, tmp_path: Path) -> None:
    arguments = ("-movflags", "frag_keyframe+empty_moov") if extension == "mp4" else ()
    path = muxed(Recording(), tmp_path / f"recording.{extension}", *arguments)
    with read(path) as reader:
        last = max(int((b.offsets + b.sizes).max()) for b in all_of(reader, reader.first).values())
    content = bytearray(path.read_bytes())
    begins = places(content, extension)
    if damage == "cut off":
        del content[last - 1000 :]
    else:
        noise = np.random.default_rng(1).integers(0, 256, 3000, np.uint8).tobytes()
        begin = begins[len(begins) // 2]
        content[begin : begin + 3000] = bytes(3000) if damage == "zeros" else noise
    damaged = tmp_path / f"damaged.{extension}"
    damaged.write_bytes(content)
    with pytest.raises(NotPlain), read(damaged) as reader:
        all_of(reader, reader.first)


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_random_damage_is_not_plain_and_no_crash(extension: str, tmp_path: Path) -> None:
    arguments = ("-movflags", "frag_keyframe+empty_moov") if extension == "mp4" else ()
    path = muxed(Recording(), tmp_path / f"recording.{extension}", *arguments)
    content = path.read_bytes()
    begins, dice = places(content, extension), np.random.default_rng(3)
    damaged = tmp_path / f"damaged.{extension}"
    with open_path(path) as source, open_source(source) as container:
        info = describe(container, source)
        headers = track_headers(container, kept(info)) if kept(info) else b""
    reach, failed = 500 if extension == "mp4" else 40, 0
    for _ in range(80):
        data = bytearray(content)
        for _ in range(2):
            at = begins[int(dice.integers(len(begins)))] + int(dice.integers(0, reach))
            data[min(at, len(data) - 1)] = dice.integers(256)
        damaged.write_bytes(data)
        with open_path(damaged) as source:
            try:
                with reader_of(source, info, lambda: headers) as reader:
                    reader.tracks(all_of(reader, reader.first))
            except (NotPlain, ValueError):
                failed += 1
    assert failed > 5


OTHERS = {
    "plain": ("mp4",),
    "mpegts": ("ts",),
    "vp9": (*("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"), "webm"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_others_have_no_reader(kind: str, tmp_path: Path) -> None:
    *arguments, extension = OTHERS[kind]
    path = muxed(Recording(seconds=2), tmp_path / f"recording.{extension}", *arguments)
    with pytest.raises(NotPlain), read(path):
        pass


@pytest.mark.parametrize("begin", ["0.3", "21.7", "37"])
@pytest.mark.parametrize("extension", ["mkv", "mp4"])
def test_a_recording_that_is_known_is_cut_by_an_excerpt_and_never_demuxed(
    extension: str, begin: str, tmp_path: Path
) -> None:
    arguments = ("-movflags", "frag_keyframe+empty_moov") if extension == "mp4" else ()
    path = muxed(Recording(seconds=40), tmp_path / f"recording.{extension}", *arguments)
    cache = Cache(tmp_path / "cache")
    spec = CutSpec(path, Fraction(begin), Fraction(begin) + 2, "smart", "high")
    with open_path(path) as source:
        with Opened(source, cache):
            pass
        with Opened(source, cache) as opened:
            plan = plan_cut(opened.info, spec, "smart")
            recording = opened.recording(plan)
            assert recording is not None
            assert suits(recording, plan)
            assert not opened.demuxed


def test_a_track_keeps_its_name_and_language(cut: Cut, tmp_path: Path) -> None:
    named = ("-metadata:s:a:0", "title=Table 3", "-metadata:s:a:0", "language=deu")
    path = muxed(Recording(), tmp_path / "recording.mkv", *named)
    with av.open(str(cut(path, "3", "5").path)) as clip:
        metadata = clip.streams.audio[0].metadata
        assert (metadata["name"], metadata["language"]) == ("Table 3", "deu")


@pytest.mark.parametrize("rate", [44100, 48000])
def test_audio_times_are_those_before_rounding_to_milliseconds(rate: int) -> None:
    exact = 777 + 1024 * np.arange(500)
    rounded = np.round(np.round(exact * 1000 / rate) * rate / 1000).astype(np.int64)
    found = even(rounded, rate // 1000 + 1)
    assert np.diff(found).tolist() == [1024] * 499
    assert abs(int(found[0]) - 777) <= rate // 2000 + 1


def test_a_pause_in_the_audio_stays_and_uneven_times_are_left_alone() -> None:
    exact = np.concatenate([1024 * np.arange(50), 90_000 + 1024 * np.arange(50)])
    rounded = np.round(np.round(exact / 48) * 48).astype(np.int64)
    found = even(rounded, 48)
    assert np.abs(found - exact).max() <= 48
    assert np.diff(found)[49] == pytest.approx(90_000 - 1024 * 49, abs=48)
    uneven = np.cumsum(np.random.default_rng(1).integers(500, 3000, 200))
    assert even(uneven, 48).tolist() == uneven.tolist()
