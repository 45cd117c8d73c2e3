"""Chapters, subtitles and timecode of a recording are in its clips, cut to them and in their time."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest

from agent.cutting import Clip, CutSpec, Engine, find_ffmpeg
from clipping.contract.choices import ContainerName, Mode
from clipping.contract.output import Output
from tests.support.media import Recording, make, numbers

TEXTS = """1
00:00:00,500 --> 00:00:03,000
first

2
00:00:04,000 --> 00:00:07,500
<i>second</i> one

3
00:00:09,000 --> 00:00:11,000
third
"""
CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=3000
title=Anpfiff
[CHAPTER]
TIMEBASE=1/1000
START=3000
END=8000
title=Spiel
[CHAPTER]
TIMEBASE=1/1000
START=8000
END=12000
title=Schluß; = \\#1
"""


@cache
def with_all(name: str, *arguments: str) -> Path:
    """A recording with chapters, and what the arguments say of the subtitles beside it."""
    path = make().with_name(name)
    texts, chapters = path.with_suffix(".srt"), path.with_suffix(".chapters")
    texts.write_text(TEXTS)
    # ffmpeg itself leaves chapters without a title out of an MP4.
    chapters.write_text(CHAPTERS if path.suffix == ".mp4" else CHAPTERS.replace("title=Spiel\n", ""))
    run("-i", make(), "-i", texts, "-f", "ffmetadata", "-i", chapters, "-map_chapters", "2", *arguments, path)
    return path


def run(*arguments: str | Path) -> None:
    command = [find_ffmpeg(None), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run([str(a) for a in command], check=True, timeout=60, stdin=subprocess.DEVNULL)


def kept(*codecs: str) -> tuple[str, ...]:
    """Video and audio unchanged, and the subtitles once in each codec."""
    maps = ["-map", "0", *["-map", "1"] * len(codecs), "-c:v", "copy", "-c:a", "copy"]
    coded = [option for n, codec in enumerate(codecs) for option in (f"-c:s:{n}", codec)]
    return (*maps, *coded, "-metadata:s:s:0", "language=deu", "-metadata:s:s:0", "title=Untertitel")


def cut(engine: Engine, folder: Path, source: Path, mode: Mode, into: ContainerName = "mp4") -> Clip:
    spec = CutSpec(source, Fraction("2.5"), Fraction("8.5"), mode, "medium", Output(container=into))
    clip = engine.cut(spec, folder, progress=lambda *_: None)
    assert clip.report.warnings == []
    assert list(folder.iterdir()) == [clip.path]
    return clip


def first_frame(clip: Clip) -> float:
    """When what the clip begins with is shown in what the recording was made from."""
    return numbers(clip.path)[0] / 25


def texts(path: Path) -> list[tuple[str, list[tuple[float, float, str]]]]:
    """Codec and cues of each subtitle stream: seconds of the clip, and what is said."""
    with av.open(str(path)) as clip:
        found = {
            s.index: (s.codec_context.codec.canonical_name, list[tuple[float, float, str]]())
            for s in clip.streams.subtitles
        }
        for packet in clip.demux():
            if packet.stream_index not in found or not packet.size or packet.pts is None:
                continue
            assert packet.time_base is not None
            shown = packet.stream.codec_context.decode2(packet)
            begin = float(packet.pts * packet.time_base)
            end = begin + float((packet.duration or 0) * packet.time_base)
            for text in shown or ():
                said = text.dialogue.decode()
                for style, mark in (("{\\i1}", "<"), ("{\\i0}", ">"), ("{\\r}", ">")):
                    said = said.replace(style, mark)
                found[packet.stream_index][1].append((begin, end, said))
    return list(found.values())


def chapters(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as clip:
        return [
            (
                float(c["start"] * c["time_base"]),
                float(c["end"] * c["time_base"]),
                c["metadata"].get("title", ""),
            )
            for c in clip.chapters()
            if c["time_base"] is not None
        ]


def timecode(path: Path) -> str | None:
    with av.open(str(path)) as clip:
        return clip.streams.video[0].metadata.get("timecode") or clip.metadata.get("TIMECODE")


def check_texts(found: list[tuple[float, float, str]], start: float) -> None:
    expected = [(0, 3 - start, "first"), (4 - start, 7.5 - start, "<second> one")]
    assert [said for *_, said in found] == [said for *_, said in expected]
    for (begin, end, _), (planned_begin, planned_end, _) in zip(found, expected, strict=True):
        assert (begin, end) == pytest.approx((planned_begin, planned_end), abs=0.03)


def check_chapters(found: list[tuple[float, float, str]], start: float, second: str) -> None:
    assert [title for *_, title in found] == ["Anpfiff", second, "Schluß; = #1"]
    times = [time for chapter in found for time in chapter[:2]]
    assert times == pytest.approx([0, 3 - start, 3 - start, 8 - start, 8 - start, 8.5 - start], abs=0.03)


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize("into", ["mp4", "mkv"])
@pytest.mark.parametrize(
    ("name", "codecs"), [("all.mp4", ("mov_text",)), ("all.mkv", ("subrip", "ass", "webvtt"))]
)
def test_text_and_chapters_are_cut_and_moved(
    engine: Engine, tmp_path: Path, name: str, codecs: tuple[str, ...], into: ContainerName, mode: Mode
) -> None:
    clip = cut(engine, tmp_path, with_all(name, *kept(*codecs)), mode, into)
    assert clip.report.dropped_streams == []
    start = first_frame(clip)
    assert (start == 2) == (mode == "copy")
    found = texts(clip.path)
    if into == "mp4":
        assert [codec for codec, _ in found] == ["mov_text"] * len(codecs)
    else:
        assert [codec for codec, _ in found] == ["subrip" if c == "mov_text" else c for c in codecs]
    for _, said in found:
        check_texts(said, start)
    check_chapters(chapters(clip.path), start, second="Spiel" if name == "all.mp4" else "")
    with av.open(str(clip.path)) as opened:
        assert opened.streams.subtitles[0].language == "deu"
        if into == "mkv" and name == "all.mkv":
            assert opened.streams.subtitles[0].metadata["title"] == "Untertitel"


@pytest.mark.parametrize("name", ["pieces.mp4", "stream.mkv"])
def test_a_recording_without_an_index_keeps_them_too(engine: Engine, tmp_path: Path, name: str) -> None:
    whole = with_all("all.mp4", *kept("mov_text"))
    source = whole.with_name(name)
    if name == "pieces.mp4":
        run(
            "-i",
            whole,
            "-map",
            "0:v",
            "-map",
            "0:s",
            "-c",
            "copy",
            "-movflags",
            "+frag_keyframe+empty_moov",
            source,
        )
    else:
        run("-i", whole, "-map", "0:v", "-map", "0:s", "-c:v", "copy", "-c:s", "srt", "-live", "1", source)
    clip = cut(engine, tmp_path, source, "copy")
    ((_, said),) = texts(clip.path)
    check_texts(said, first_frame(clip))
    assert [title for *_, title in chapters(clip.path)] == ["Anpfiff", "Spiel", "Schluß; = #1"]


def test_titles_in_an_unknown_encoding_stop_nothing(engine: Engine, tmp_path: Path) -> None:
    source = make().with_name("latin.mkv")
    source.write_bytes(
        with_all("all.mkv", *kept("subrip", "ass", "webvtt")).read_bytes().replace(b"Anpfiff", b"Anpf\xeffe")
    )
    clip = cut(engine, tmp_path, source, "copy", "mp4")
    assert chapters(clip.path)[0][2] == "Anpf\ufffdfe"


def test_subtitles_that_show_nothing_in_the_range_are_left_out(engine: Engine, tmp_path: Path) -> None:
    spec = CutSpec(
        with_all("all.mp4", *kept("mov_text")), Fraction("7.6"), Fraction("8.9"), "smart", "medium"
    )
    clip = engine.cut(spec, tmp_path, progress=lambda *_: None)
    assert texts(clip.path) == []
    assert [(d.index, d.codec, d.reason) for d in clip.report.dropped_streams] == [
        (2, "mov_text", "no subtitles in this range")
    ]


@pytest.mark.parametrize("mode", ["copy", "encode"])
def test_bitmap_subtitles_go_into_matroska_only(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    source = pictured()
    clip = cut(engine, tmp_path, source, mode, "mkv")
    with av.open(str(clip.path)) as opened:
        packets = [p for p in opened.demux(subtitles=0) if p.size]
        assert opened.streams.subtitles[0].codec_context.codec.canonical_name == "dvd_subtitle"
    start = first_frame(clip)
    times = [float(p.pts * p.time_base) for p in packets]
    assert times == pytest.approx([3 - start, 5 - start], abs=0.03)
    clip.path.unlink()
    clip = cut(engine, tmp_path, source, mode, "mp4")
    assert texts(clip.path) == []
    assert [(d.index, d.codec, d.reason) for d in clip.report.dropped_streams] == [
        (2, "dvd_subtitle", "mp4 does not support this subtitle format")
    ]


@cache
def pictured() -> Path:
    """A recording with bitmap subtitles at 1, 3, 5 and 9 seconds."""
    path = make().with_name("pictured.mkv")
    with av.open(str(make())) as source, av.open(str(path), "w") as target:
        streams = [target.add_stream_from_template(s, opaque=True) for s in source.streams]
        subtitles = target.add_stream("dvdsub")
        subtitles.codec_context.time_base = Fraction(1, 1000)
        for second in (1, 3, 5, 9):
            packet = av.Packet(bytes(64))
            packet.pts = packet.dts = second * 1000
            packet.duration, packet.time_base, packet.stream = 500, Fraction(1, 1000), subtitles
            target.mux_one(packet)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux_one(packet)
    return path


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize("into", ["mp4", "mov", "mkv"])
def test_timecode_begins_with_the_clip(
    engine: Engine, tmp_path: Path, into: ContainerName, mode: Mode
) -> None:
    source = make().with_name("timecode.mov")
    if not source.exists():
        run("-i", make(), "-c", "copy", "-timecode", "09:59:58:20", source)
    clip = cut(engine, tmp_path, source, mode, into)
    assert timecode(clip.path) == ("10:00:00:20" if mode == "copy" else "10:00:01:08")
    assert clip.report.dropped_streams == []


def test_timecode_of_another_rate_is_left_out(engine: Engine, tmp_path: Path) -> None:
    source = make().with_name("for-another-rate.mov")
    run("-i", make(), "-c", "copy", "-timecode", "09:59:58:20", source)
    spec = CutSpec(source, Fraction(1), Fraction(2), "encode", "medium", Output(fps=50))
    clip = engine.cut(spec, tmp_path, progress=lambda *_: None)
    assert timecode(clip.path) is None
    assert [(d.codec, d.reason) for d in clip.report.dropped_streams] == [
        ("tmcd", "its timecode does not fit the clip's frame rate")
    ]


def test_an_encode_keeps_language_and_title_of_audio(engine: Engine, tmp_path: Path) -> None:
    source = make(Recording(seconds=2)).with_name("titled.mkv")
    run("-i", make(Recording(seconds=2)), "-c", "copy", "-metadata:s:a:0", "title=Ton", source)
    spec = CutSpec(source, Fraction(0), Fraction(1), "encode", "medium", Output(container="mkv"))
    clip = engine.cut(spec, tmp_path, progress=lambda *_: None)
    with av.open(str(clip.path)) as opened:
        audio = opened.streams.audio[0]
        assert (audio.language, audio.metadata["title"]) == ("eng", "Ton")
