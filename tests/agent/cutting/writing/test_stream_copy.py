"""A copied clip begins at the keyframe at or before the in-point, loses no frame, and reports its range."""

from __future__ import annotations

import hashlib
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from agent.cutting import Engine
from agent.cutting.formats.mp4 import top_level
from clipping.contract.choices import Mode
from tests.agent.cutting.conftest import Cut
from tests.support.media import (
    Recording,
    audio_languages,
    make,
    numbers,
    shown_frames,
    tick_offsets,
    tick_times,
)

CONTAINERS = ("mp4", "mkv", "ts")
RANGES = (("3.3", "7.1"), ("0", "2.5"), ("4", "6"), ("9.96", "11.999"))
"""Between keyframes, at the start, exactly from one keyframe to another, and near the end."""


def player_times(source: Path, engine: Engine) -> dict[int, Fraction]:
    """When a player shows each frame of a recording."""
    zero = engine.probe(source).zero
    return {number: at - zero for at, number in shown_frames(source)}


@pytest.mark.sampled(5, slow=3)
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("start", "end"), RANGES)
def test_it_shows_every_frame_from_the_keyframe_before_to_the_out_point(
    cut: Cut, engine: Engine, container: str, start: str, end: str
) -> None:
    recording = Recording(container)
    source = make(recording)
    times = player_times(source, engine)
    clip = cut(source, start, end)
    wanted = [n for n, at in times.items() if Fraction(start) <= at < Fraction(end)]
    keys = [n for n in range(0, recording.frames, recording.gop) if times[n] <= Fraction(start)]
    first = max(keys, default=0)
    shown = numbers(clip.path)
    assert shown == list(range(first, shown[-1] + 1))
    assert 0 <= shown[-1] - wanted[-1] <= recording.reordered
    assert clip.report.frames == len(shown)


@pytest.mark.parametrize("container", CONTAINERS)
def test_it_begins_at_zero_and_the_report_says_where_it_fell(
    cut: Cut, engine: Engine, container: str
) -> None:
    source = make(Recording(container))
    times = player_times(source, engine)
    clip = cut(source, "3.3", "7.1")
    frames = shown_frames(clip.path)
    assert frames[0][0] == 0
    first = times[frames[0][1]]
    assert clip.report.actual.start == pytest.approx(float(first), abs=1e-5)
    assert clip.report.keyframe_lead_seconds == pytest.approx(3.3 - float(first), abs=1e-5)
    assert clip.report.actual.end == pytest.approx(float(times[frames[-1][1]]) + 0.04, abs=0.0015)
    assert clip.duration == pytest.approx(clip.report.actual.end - clip.report.actual.start, abs=1e-5)
    assert (clip.report.requested.start, clip.report.requested.end) == (3.3, 7.1)
    assert clip.report.mode == "copy"
    assert clip.report.reencoded_seconds == 0
    assert clip.report.encoder is None
    assert clip.report.warnings == []


@pytest.mark.parametrize("container", CONTAINERS)
def test_audio_stays_in_sync(cut: Cut, container: str) -> None:
    recording = Recording(container)
    clip = cut(make(recording), "3.3", "9.1")
    offsets = tick_offsets(clip.path, recording.rate)
    assert len(offsets) >= 5
    assert max(abs(offset) for offset in offsets) < 0.002


def test_the_index_is_in_front_and_the_decoding_times_grow(cut: Cut) -> None:
    clip = cut(make(), "3.3", "7.1")
    order = [box.type for box in top_level(clip.path)]
    assert order[0] == "ftyp"
    assert order.index("moov") < order.index("mdat")
    with av.open(str(clip.path)) as container:
        packets = [p for p in container.demux(video=0) if p.dts is not None]
    assert all(a.dts < b.dts for a, b in pairwise(packets))
    assert all(p.pts >= p.dts for p in packets)


def test_the_packets_are_the_recordings_own(cut: Cut) -> None:
    source = make()
    clip = cut(source, "4", "6")
    with av.open(str(source)) as container:
        all_packets = {hashlib.sha256(bytes(p)).digest() for p in container.demux(video=0) if p.size}
    with av.open(str(clip.path)) as container:
        copied = [hashlib.sha256(bytes(p)).digest() for p in container.demux(video=0) if p.size]
    assert len(copied) >= 50
    assert set(copied) <= all_packets


def test_the_file_is_described_truly(cut: Cut) -> None:
    clip = cut(make(), "3.3", "7.1")
    assert clip.path.suffix == ".mp4"
    assert (clip.extension, clip.content_type) == ("mp4", "video/mp4")
    assert clip.size == clip.path.stat().st_size
    assert clip.sha256 == hashlib.sha256(clip.path.read_bytes()).hexdigest()
    assert [f.name for f in clip.path.parent.iterdir()] == [clip.path.name]
    assert (clip.report.video.codec, clip.report.video.width, clip.report.video.height) == ("h264", 320, 200)
    assert clip.report.video.fps == pytest.approx(25, abs=0.1)


def test_every_audio_track_is_kept_with_its_language(cut: Cut) -> None:
    recording = Recording("mkv", audio=("aac", "libmp3lame", "ac3", "pcm_s16le"))
    clip = cut(make(recording), "3.3", "8.1")
    assert [(a.codec, a.language) for a in clip.report.audio] == [
        ("aac", "eng"),
        ("mp3", "deu"),
        ("aac", "fra"),
        ("aac", "spa"),
    ]
    assert audio_languages(clip.path) == ["eng", "deu", "fra", "spa"]
    for track in range(4):
        offsets = tick_offsets(clip.path, recording.rate, track)
        assert len(offsets) >= 5
        assert max(abs(offset) for offset in offsets) < 0.003


def test_a_recording_without_audio_gives_a_clip_without_audio(cut: Cut) -> None:
    clip = cut(make(Recording(audio=())), "3.3", "7.1")
    assert clip.report.audio == []
    assert len(numbers(clip.path)) == clip.report.frames


def test_an_end_less_than_a_second_past_the_recording_is_adjusted_with_a_warning(cut: Cut) -> None:
    clip = cut(make(), "8.5", "12.6")
    assert numbers(clip.path)[-1] == make_last()
    (warning,) = clip.report.warnings
    assert "0:00:12.000" in warning


def make_last() -> int:
    return Recording().frames - 1


def test_a_range_shorter_than_a_frame_still_shows_the_frame_of_that_moment(cut: Cut) -> None:
    clip = cut(make(), "4.01", "4.02")
    assert numbers(clip.path)[0] == 100


def test_mpeg2_goes_into_matroska(cut: Cut) -> None:
    recording = Recording("ts", video=("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "3"), gop=15)
    clip = cut(make(recording), "3.3", "7.1")
    assert (clip.extension, clip.report.video.codec, clip.report.mode) == ("mkv", "mpeg2video", "copy")
    shown = shown_frames(clip.path)
    assert shown[0][0] == 0
    assert [n for _, n in shown] == list(range(shown[0][1], shown[-1][1] + 1))
    assert len(tick_times(clip.path)) >= 3


def test_without_a_clean_keyframe_in_reach_it_encodes_and_says_why(cut: Cut) -> None:
    recording = Recording("ts", seconds=45, open_gop=True, audio=())
    clip = cut(make(recording), "40.3", "42.1")
    assert clip.report.mode == "encode"
    assert clip.report.encoder == "libx264"
    assert "keyframe" in clip.report.warnings[0]
    assert len(numbers(clip.path)) == 45


@pytest.mark.parametrize("mode", ["copy", "encode"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_track_that_is_silent_in_the_range_is_left_out_and_named(
    cut: Cut, container: str, mode: Mode
) -> None:
    source = make(Recording(container, audio=("aac", "aac"), audio_seconds=(3, 12)))
    clip = cut(source, "6", "9", mode)
    assert [a.language for a in clip.report.audio] == ["deu"]
    (dropped,) = clip.report.dropped_streams
    assert (dropped.index, dropped.codec) == (1, "aac")
    assert audio_languages(clip.path) == ["deu"]


@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_matroska_announces_no_track_that_is_silent_in_the_range(cut: Cut, mode: Mode) -> None:
    mpeg2 = ("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "3")
    source = make(Recording("ts", video=mpeg2, audio=("mp2", "mp2"), audio_seconds=(3, 12)))
    clip = cut(source, "6", "9", mode)
    assert (clip.extension, clip.report.mode, clip.report.warnings) == ("mkv", mode, [])
    assert audio_languages(clip.path) == ["deu"]


@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_reencoded_audio_may_end_with_the_recording(cut: Cut, mode: Mode) -> None:
    clip = cut(make(Recording("mkv", audio=("ac3",))), "8.3", "12", mode)
    assert (clip.report.mode, clip.report.warnings) == (mode, [])
    assert clip.report.audio[0].codec == "aac"
    assert numbers(clip.path)[-1] == make_last()


def test_a_file_that_understates_its_length_loses_no_frame(cut: Cut) -> None:
    short = make(Recording("mkv", audio=())).with_name("understated.mkv")
    data = make(Recording("mkv", audio=())).read_bytes()
    at = data.index(b"\x44\x89\x88") + 3  # Duration, a double of 8 bytes
    length = struct.unpack(">d", data[at : at + 8])[0]
    short.write_bytes(data[:at] + struct.pack(">d", length - 40) + data[at + 8 :])
    clip = cut(short, "8.5", "12")
    assert numbers(clip.path)[-1] == make_last()
    assert clip.report.warnings == []
