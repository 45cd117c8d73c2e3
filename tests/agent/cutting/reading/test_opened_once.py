"""A recording is opened once: the clip is of the opened file, even if its path changes."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import CutSpec, Engine, EngineSettings, find_ffmpeg
from agent.cutting.reading.source import open_path
from clipping.contract.choices import Mode
from clipping.errors import EncoderFailed, SourceChanged
from tests.support.media import Recording, make, numbers

MODES: tuple[Mode, ...] = ("copy", "smart", "encode")
OTHER = Recording(seconds=12, filters="scale=640:400,format=yuv420p")


def spec_of(source: Path, mode: Mode) -> CutSpec:
    return CutSpec(source, Fraction("3.3"), Fraction("6.1"), mode, "medium")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extension", ["mp4", "ts", "mkv"])
def test_a_path_that_names_another_file_later(
    engine: Engine, tmp_path: Path, mode: Mode, extension: str
) -> None:
    source = tmp_path / f"night.{extension}"
    shutil.copy(make(Recording(extension)), source)
    spool = tmp_path / "spool"
    spool.mkdir()
    with open_path(source) as opened:
        source.unlink()
        source.symlink_to(make(OTHER))
        clip = engine.cut(
            spec_of(source, mode),
            spool,
            progress=lambda *_: None,
            source=opened,
        )
    assert (clip.report.video.width, clip.report.video.height) == (320, 200)
    assert abs(numbers(clip.path)[-1] - 152) <= 2


def test_a_descriptor_is_not_left_open(engine: Engine, tmp_path: Path) -> None:
    for mode in MODES:
        engine.cut(spec_of(make(), mode), tmp_path, progress=lambda *_: None)
    before = sorted(os.listdir("/proc/self/fd"))
    for mode in MODES:
        engine.cut(spec_of(make(), mode), tmp_path, progress=lambda *_: None)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_the_report_names_the_state_that_was_read(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "night.mp4"
    shutil.copy(make(), source)
    os.utime(source, (1_700_000_000, 1_700_000_000))
    clip = engine.cut(spec_of(source, "copy"), tmp_path, progress=lambda *_: None)
    assert clip.report.source is not None
    assert clip.report.source.size == source.stat().st_size
    assert clip.report.source.modified == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert clip.report.source.growing is False


@pytest.mark.parametrize("mode", MODES)
def test_a_file_that_is_overwritten_at_the_same_size(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    source = tmp_path / "night.ts"
    shutil.copy(make(Recording("ts")), source)
    os.utime(source, (1_700_000_000, 1_700_000_000))
    spool = tmp_path / "spool"
    spool.mkdir()

    with open_path(source) as opened:
        with source.open("r+b") as file:
            file.write(b"G")
        with pytest.raises(SourceChanged):
            engine.cut(spec_of(source, mode), spool, progress=lambda *_: None, source=opened)
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("extension", ["h264", "H264"])
def test_the_extension_still_decides_where_the_content_does_not(
    engine: Engine, tmp_path: Path, extension: str
) -> None:
    raw = tmp_path / "raw.h264"
    with av.open(str(make())) as whole, av.open(str(raw), "w", format="h264") as out:
        stream = out.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    late = tmp_path / f"late.{extension}"
    late.write_bytes(bytes(1_200_000) + raw.read_bytes())
    assert engine.probe(late).container == "h264"


def test_what_ffmpeg_complains_of_is_named_as_the_user_named_it(engine: Engine, tmp_path: Path) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(
        '#!/bin/sh\ncase "$*" in *-ss*) while [ "$1" != -i ]; do shift; done;'
        f' echo "$2: broken" >&2; exit 1;; *) exec {find_ffmpeg(None)} "$@";; esac\n'
    )
    script.chmod(0o755)
    own = Engine(EngineSettings(ffmpeg=script, encoder="cpu"))
    own.start()
    try:
        with pytest.raises(EncoderFailed) as caught:
            own.cut(spec_of(make(), "encode"), tmp_path, progress=lambda *_: None)
    finally:
        own.close()
    assert str(make()) in caught.value.message
    assert "/proc/" not in caught.value.message
