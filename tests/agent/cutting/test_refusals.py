"""Recordings that can't be cut: the error class, a message for the user, and no leftover files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import CutSpec, Engine, find_ffmpeg
from agent.cutting.reading.source import open_path, translated
from clipping.contract.choices import Mode, Stage
from clipping.errors import (
    ClippingError,
    RangeBeyondEnd,
    SourceChanged,
    SourceCorrupt,
    SourceHasNoVideo,
    SourceNotAllowed,
    SourceNotFound,
    SourceUnavailable,
)
from tests.support.media import Recording, make


def refusal(
    engine: Engine, source: Path, folder: Path, start: str = "1", end: str = "2", mode: Mode = "copy"
) -> ClippingError:
    """The error that a cut ends with; nothing may be left."""
    folder.mkdir()
    spec = CutSpec(source, Fraction(start), Fraction(end), mode, "high")
    with pytest.raises(ClippingError) as caught:
        engine.cut(spec, folder, progress=lambda *_: None)
    assert list(folder.iterdir()) == []
    return caught.value


def test_a_missing_file(engine: Engine, tmp_path: Path) -> None:
    error = refusal(engine, tmp_path / "nothing.mp4", tmp_path / "spool")
    assert isinstance(error, SourceNotFound)


def test_a_folder(engine: Engine, tmp_path: Path) -> None:
    error = refusal(engine, tmp_path, tmp_path / "spool")
    assert isinstance(error, SourceNotAllowed)


def test_a_fifo_does_not_block(engine: Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    error = refusal(engine, tmp_path / "fifo.mp4", tmp_path / "spool")
    assert isinstance(error, SourceNotAllowed)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp4", b"This is not a video.\n" * 500),
        ("empty.mp4", b""),
        ("noise.ts", bytes(range(256)) * 4000),
        ("zeros.mkv", bytes(100_000)),
    ],
)
def test_files_that_are_no_recordings(engine: Engine, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    error = refusal(engine, tmp_path / name, tmp_path / "spool")
    assert isinstance(error, SourceCorrupt)
    assert name in error.message


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_times_that_contradict_the_order_of_the_frames(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    scrambled = tmp_path / "scrambled.mp4"
    with av.open(str(make(Recording(audio=())))) as whole, av.open(str(scrambled), "w") as copy:
        out = copy.add_stream_from_template(whole.streams.video[0], opaque=True)
        for number, packet in enumerate(p for p in whole.demux(video=0) if p.size):
            packet.pts = packet.dts = number * 512
            packet.stream = out
            copy.mux_one(packet)
    error = refusal(engine, scrambled, tmp_path / "spool", "3", "5", mode)
    assert isinstance(error, SourceCorrupt)
    assert "order" in error.message


def test_an_mp4_without_its_index(engine: Engine, tmp_path: Path) -> None:
    whole = make().read_bytes()  # the index is at the end
    (tmp_path / "cut off.mp4").write_bytes(whole[: len(whole) // 2])
    error = refusal(engine, tmp_path / "cut off.mp4", tmp_path / "spool")
    assert isinstance(error, SourceCorrupt)
    assert "incomplete" in error.message


def test_a_recording_that_breaks_off_before_the_range(engine: Engine, tmp_path: Path) -> None:
    whole = make(Recording("ts")).read_bytes()
    (tmp_path / "broken off.ts").write_bytes(whole[: len(whole) // 3])
    error = refusal(engine, tmp_path / "broken off.ts", tmp_path / "spool", "8", "10")
    assert isinstance(error, RangeBeyondEnd)


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_a_range_that_ends_before_the_video_begins(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    late = tmp_path / "late.mkv"
    source = make(Recording("mkv"))
    command = ["-i", str(source), "-itsoffset", "3", "-i", str(source), "-map", "0:a", "-map", "1:v"]
    ffmpeg = str(find_ffmpeg(None))
    subprocess.run([ffmpeg, "-v", "error", *command, "-c", "copy", str(late)], check=True, timeout=60)
    error = refusal(engine, late, tmp_path / "spool", "1", "2", mode)
    assert isinstance(error, RangeBeyondEnd)
    assert "begins 1.0" in error.message


def test_audio_without_video(engine: Engine, tmp_path: Path) -> None:
    source = make(Recording("m4a", video=()))
    error = refusal(engine, source, tmp_path / "spool")
    assert isinstance(error, SourceHasNoVideo)


@pytest.mark.parametrize("mode", ["copy", "encode"])
@pytest.mark.parametrize(("start", "end"), [("12", "13"), ("500", "501"), ("8", "13.5")])
def test_ranges_beyond_the_end_name_the_length(
    engine: Engine, tmp_path: Path, mode: Mode, start: str, end: str
) -> None:
    error = refusal(engine, make(), tmp_path / "spool", start, end, mode)
    assert isinstance(error, RangeBeyondEnd)
    assert "0:00:12.000" in error.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile '{secret}'\n"),
        ("list.mpd", '<?xml version="1.0"?><MPD><BaseURL>{secret}</BaseURL></MPD>'),
        ("session.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
    ],
)
@pytest.mark.parametrize("mode", ["copy", "encode"])
def test_playlists_make_it_open_nothing_else(
    engine: Engine, tmp_path: Path, name: str, text: str, mode: Mode
) -> None:
    secret = make(Recording("ts"))
    (tmp_path / name).write_text(text.format(secret=secret))
    error = refusal(engine, tmp_path / name, tmp_path / "spool", mode=mode)
    assert isinstance(error, SourceCorrupt)


def test_a_name_that_looks_like_a_protocol_is_a_file(engine: Engine, tmp_path: Path) -> None:
    odd = tmp_path / "concat:a|b%03d -i 'x'.mp4"
    odd.write_bytes(make().read_bytes())
    folder = tmp_path / "spool"
    folder.mkdir()
    for mode in ("copy", "encode"):
        spec = CutSpec(odd, Fraction(1), Fraction(2), mode, "high")
        clip = engine.cut(spec, folder, progress=lambda *_: None)
        assert clip.report.frames >= 25


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize("extension", ["mp4", "ts"])
def test_a_file_that_shrinks_while_it_is_read(
    engine: Engine, tmp_path: Path, extension: str, mode: Mode
) -> None:
    source = tmp_path / f"shrinking.{extension}"
    shutil.copy(make(Recording(extension)), source)
    folder = tmp_path / "spool"
    folder.mkdir()

    def shrink(stage: Stage, percent: float) -> None:
        if stage == "cutting":
            os.truncate(source, 100_000)

    spec = CutSpec(source, Fraction(4), Fraction(9), mode, "high")
    with pytest.raises(SourceChanged, match="changed"):
        engine.cut(spec, folder, progress=shrink)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_a_file_that_still_grows_is_cut_where_it_is_there(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    whole = make(Recording("ts")).read_bytes()
    source = tmp_path / "growing.ts"
    source.write_bytes(whole[: len(whole) * 2 // 3])

    def grow(stage: Stage, percent: float) -> None:
        with source.open("ab") as file:
            file.write(whole[source.stat().st_size :][:50_000])

    spec = CutSpec(source, Fraction(2), Fraction(5), mode, "high")
    with open_path(source) as file:
        grow("probing", 0)  # in any case, even if the cut is over before its progress arrives
        clip = engine.cut(spec, tmp_path, progress=grow, source=file)
    assert clip.report.source is not None
    assert clip.report.source.growing
    assert clip.report.frames >= 75
    assert clip.report.warnings == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOMEM, errno.EAGAIN, errno.EINVAL])
def test_what_libavformat_says_of_damaged_files_is_permanent(code: int) -> None:
    error = av.error.classes[code](code, os.strerror(code))
    assert isinstance(translated(error, Path("game.mp4")), SourceCorrupt)


def test_an_input_that_fails_is_not_damage() -> None:
    error = av.error.classes[errno.EIO](errno.EIO, os.strerror(errno.EIO))
    assert isinstance(translated(error, Path("game.mp4")), SourceUnavailable)
