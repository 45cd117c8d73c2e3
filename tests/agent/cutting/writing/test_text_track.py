"""Captions as a text track: in every container and mode, with times from the in-point."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.stream
import imageio_ffmpeg
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from clipping.contract.choices import ContainerName, Mode
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from tests.support.media import Recording, make, shown_frames

MP4, MKV = Recording(gop=25), Recording("mkv", seconds=8, gop=25, audio=("aac", "ac3"))
FILE = """1
00:00:00,200 --> 00:00:00,600
<i>it</i>alic {\\an8} 50% , : ' \\N 축구

2
00:00:00,400 --> 00:00:01,000
둘 <b>two</b>

3
00:00:02,000 --> 00:10:00,000
last
"""
FIRST, SECOND = "italic {\\an8} 50% , : ' \\N 축구", "둘 two"
Shown = list[tuple[float, float, str]]


@pytest.fixture(scope="module", params=["found", "bundled"])
def either(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with the ffmpeg that is found, and one with the newer one that comes with a package."""
    bundled = Path(imageio_ffmpeg.get_ffmpeg_exe()) if request.param == "bundled" else None
    engine = Engine(EngineSettings(ffmpeg=bundled))
    engine.start()
    yield engine
    engine.close()


def clip_of(
    engine: Engine,
    folder: Path,
    source: Path,
    mode: Mode,
    *,
    file: str = FILE,
    end: str = "3.6",
    effects: dict[str, Any] | None = None,
    **output: Any,
) -> Clip:
    captions = {"format": "srt", "text": file, "mode": "track"}
    wanted = Effects.model_validate({**(effects or {}), "captions": captions})
    spec = CutSpec(source, Fraction("1.3"), Fraction(end), mode, "medium", Output(**output), wanted)
    return engine.cut(spec, folder, progress=lambda *_: None)


def shown(clip: Path, track: int = 0) -> Shown:
    """The texts of a track, with their start and end in seconds; of MP4 without the gaps."""
    found = []
    with av.open(str(clip)) as container:
        stream = container.streams.subtitles[track]
        for packet in container.demux([stream]):
            data = bytes(packet)
            if stream.codec_context.name == "mov_text" and data:
                data = data[2 : 2 + struct.unpack_from(">H", data)[0]]
            if data and packet.pts is not None and packet.duration:
                start = float(packet.pts * stream.time_base)
                found.append((start, start + float(packet.duration * stream.time_base), data.decode()))
    return [(round(start, 3), round(end, 3), text) for start, end, text in found]


def expected(container: str, lead: float, end: float) -> Shown:
    if container == "mkv":
        marked = "<i>it</i>" + FIRST.removeprefix("it"), SECOND.replace("two", "<b>two</b>")
        texts: Shown = [(0.2, 0.6, marked[0]), (0.4, 1.0, marked[1])]
    else:  # one at a time
        texts = [(0.2, 0.4, FIRST), (0.4, 0.6, f"{FIRST}\n{SECOND}"), (0.6, 1.0, SECOND)]
    moved = [(round(a + lead, 3), round(b + lead, 3), text) for a, b, text in texts]
    return [*moved, (round(2.0 + lead, 3), end, "last")]


@pytest.mark.sampled(3, slow=4)
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize("recording", [MP4, MKV], ids=["mp4", "mkv"])
def test_it_is_in_every_container_and_mode(
    either: Engine, tmp_path: Path, recording: Recording, mode: Mode, container: ContainerName
) -> None:
    clip = clip_of(either, tmp_path, make(recording), mode, container=container)
    report = clip.report
    assert (report.mode, report.warnings) == (mode, [])
    lead = report.keyframe_lead_seconds
    assert (0.27 < lead < 0.31) == (mode == "copy")
    # A cut that is exact begins with the first frame after the in-point, and the end is that of the request.
    end = 2.3 + lead
    found = shown(clip.path)
    for (start, stop, text), (at, until, words) in zip(found, expected(container, lead, end), strict=True):
        assert (start, text) == (pytest.approx(at, abs=0.0011), words)
        assert stop == pytest.approx(until, abs=0.04)
    with av.open(str(clip.path)) as file:
        track = file.streams.subtitles[0]
        assert track.disposition & av.stream.Disposition.default
        assert [s.type for s in file.streams] == ["video", *["audio"] * len(report.audio), "subtitle"]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_it_follows_the_speed(either: Engine, tmp_path: Path, container: ContainerName) -> None:
    segments = [{"start": 0.4, "end": 0.6, "speed": 0.25}, {"start": 1, "end": 2, "speed": 2}]
    effects = {"segments": segments}
    clip = clip_of(either, tmp_path, make(MP4), "encode", effects=effects, container=container)
    starts = [start for start, _, _ in shown(clip.path)]
    assert starts == ([0.2, 0.4, 1.2, 2.1] if container == "mp4" else [0.2, 0.4, 2.1])


def test_styles_are_kept_in_mp4(either: Engine, tmp_path: Path) -> None:
    clip = clip_of(either, tmp_path, make(MP4), "copy")
    with av.open(str(clip.path)) as container:
        packets = [bytes(packet) for packet in container.demux(subtitles=0)]
    (first,) = (data for data in packets if data[2:].startswith(FIRST.encode() + b"\0"))
    count, start, end, _, style = struct.unpack_from(">HHHHB", first, first.index(b"styl") + 4)
    assert (count, start, end, style) == (1, 0, 2, 2)


def test_the_frames_of_a_copy_are_the_recordings(either: Engine, tmp_path: Path) -> None:
    with_track = shown_frames(clip_of(either, tmp_path, make(MP4), "copy").path)
    spec = CutSpec(make(MP4), Fraction("1.3"), Fraction("3.6"), "copy", "medium")
    (tmp_path / "other").mkdir()
    assert with_track == shown_frames(either.cut(spec, tmp_path / "other", progress=lambda *_: None).path)


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_the_recordings_own_subtitles_remain(
    either: Engine, tmp_path: Path, with_subtitles: Path, mode: Mode, container: ContainerName
) -> None:
    clip = clip_of(either, tmp_path, with_subtitles, mode, container=container)
    lead = clip.report.keyframe_lead_seconds
    assert [text for _, _, text in shown(clip.path, 0)] == ["own"]
    assert [start for start, _, _ in shown(clip.path, 1)][-1] == pytest.approx(2.0 + lead, abs=0.0011)


@pytest.fixture(scope="module")
def with_subtitles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that has subtitles of its own."""
    folder = tmp_path_factory.mktemp("subtitled")
    texts, path = folder / "own.srt", folder / "own.mkv"
    texts.write_text("1\n00:00:02,000 --> 00:00:02,500\nown\n")
    inputs = (
        "-i",
        str(make(MP4)),
        "-i",
        str(texts),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-c:s",
        "subrip",
    )
    subprocess.run([str(find_ffmpeg(None)), "-v", "error", *inputs, str(path)], check=True, timeout=60)
    return path


def test_captions_behind_the_end_make_no_track(either: Engine, tmp_path: Path) -> None:
    late = "00:00:01,000 --> 00:00:02,000\nlate"
    modes: tuple[Mode, ...] = ("copy", "smart", "encode")
    for mode in modes:
        clip = clip_of(either, tmp_path, make(MP4), mode, file=late, end="2.3")
        with av.open(str(clip.path)) as container:
            assert not container.streams.subtitles
        assert clip.report.warnings == ["1 of 1 captions begin after the end of the clip and are left out"]


def test_a_caption_that_is_too_short_for_a_track_makes_none(either: Engine, tmp_path: Path) -> None:
    """What is left of it at the end of the clip is less than half a millisecond."""
    late = "00:00:00,700 --> 00:00:02,000\nlate"
    modes: tuple[Mode, ...] = ("copy", "smart", "encode")
    for mode in modes:
        clip = clip_of(either, tmp_path, make(MP4), mode, file=late, end="2.0003")
        with av.open(str(clip.path)) as container:
            assert not container.streams.subtitles


def test_a_copy_of_vp9_gets_webvtt(either: Engine, tmp_path: Path) -> None:
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", "-b:v", "200k")
    source = make(Recording("webm", seconds=4, video=vp9, audio=("libopus",)))
    clip = clip_of(either, tmp_path, source, "copy", file="00:00:00,200 --> 00:00:00,600\n<i>a</i> < b & c")
    assert clip.extension == "webm"
    lead = clip.report.keyframe_lead_seconds
    ((start, end, text),) = shown(clip.path)
    assert (start, end) == (pytest.approx(0.2 + lead, abs=0.001), pytest.approx(0.6 + lead, abs=0.001))
    assert text == "<i>a</i> &lt; b &amp; c"
