"""Files that make a demuxer search indefinitely are rejected soon, and other clips proceed meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import Clip, CutSpec, Engine, find_ffmpeg
from agent.cutting.process import budget
from clipping.contract.choices import Mode
from clipping.errors import ClippingError, RangeBeyondEnd, SourceCorrupt
from tests.support.media import Recording, make, numbers

TERABYTE = 1 << 40
MODES: tuple[Mode, ...] = ("copy", "smart", "encode")
SOON = 20
"""Seconds, on a machine with other work to do: each takes less than one alone."""
LAYOUTS = {
    "live.mkv": ("-c", "copy", "-f", "matroska", "-live", "1"),
    "cues.mkv": ("-c", "copy", "-f", "matroska"),
    "fragmented.mp4": ("-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
    "recording.ts": ("-c", "copy"),
    "recording.flv": ("-c", "copy"),
    "recording.mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
}


def cut(
    engine: Engine, source: Path, folder: Path, mode: Mode, start: int = 9, end: int = 12
) -> Clip | ClippingError:
    folder.mkdir()
    spec = CutSpec(source, Fraction(start), Fraction(end), mode, "medium")
    try:
        return engine.cut(spec, folder, progress=lambda *_: None)
    except ClippingError as error:
        return error


def recording(path: Path) -> Path:
    command = [str(find_ffmpeg(None)), "-v", "error", "-i", str(make(Recording("mkv")))]
    subprocess.run([*command, *LAYOUTS[path.name], str(path)], check=True, timeout=60)
    return path


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_terabyte_that_was_reserved_is_not_read(
    engine: Engine, tmp_path: Path, name: str, mode: Mode
) -> None:
    source = recording(tmp_path / name)
    os.truncate(source, TERABYTE)
    begun = time.monotonic()
    clip = cut(engine, source, tmp_path / "spool", mode)
    assert time.monotonic() - begun < SOON
    assert isinstance(clip, Clip), clip
    assert numbers(clip.path)[-1] >= 297


@pytest.mark.parametrize("name", ["live.mkv", "fragmented.mp4"])
def test_a_terabyte_that_was_lost_in_the_middle_is_not_read(
    engine: Engine, tmp_path: Path, name: str
) -> None:
    source = recording(tmp_path / name)
    data = source.read_bytes()
    with source.open("r+b") as file:
        os.truncate(source, len(data) // 2)
        file.seek(TERABYTE)
        file.write(data[len(data) // 2 :])
    begun = time.monotonic()
    before = cut(engine, source, tmp_path / "before", "copy", 1, 3)
    behind = cut(engine, source, tmp_path / "behind", "copy", 9, 11)
    assert time.monotonic() - begun < SOON
    assert isinstance(before, Clip), before
    # The start of the next MP4 box is unknown when a box is damaged.
    assert isinstance(behind, Clip if name == "live.mkv" else RangeBeyondEnd), behind


def test_a_lane_of_four_is_free_soon_after_four_terabytes(engine: Engine, tmp_path: Path) -> None:
    names = ["live.mkv", "fragmented.mp4", "recording.flv", "recording.mpg"]
    bad = [recording(tmp_path / name) for name in names]
    for source in bad:
        os.truncate(source, TERABYTE)
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as lane:
        for source in bad:
            lane.submit(cut, engine, source, tmp_path / f"spool-{source.name}", "copy")
        clip = lane.submit(cut, engine, make(), tmp_path / "spool", "copy").result()
    assert isinstance(clip, Clip)
    assert time.monotonic() - begun < SOON


@pytest.mark.slow
def test_four_files_that_hold_nothing_are_done_with(engine: Engine, tmp_path: Path) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as lane:
        answers = []
        for number in range(4):
            source = tmp_path / f"{number}.h264"
            source.write_bytes(bytes(100_000))
            with source.open("r+b") as file:
                file.seek(TERABYTE)
                file.write(b"\1")  # a hole that is not at the end has to be read
            answers.append(lane.submit(cut, engine, source, tmp_path / f"spool-{number}", "copy"))
        for answer in answers:
            assert isinstance(answer.result(), SourceCorrupt), answer.result()
    assert time.monotonic() - begun < 2 * budget.PROBE_SECONDS


@pytest.mark.parametrize("mode", MODES)
def test_reading_without_a_frame_ends(
    engine: Engine, tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MOST_BYTES", 8 << 20)  # in the daemon, which watches
    source = tmp_path / "junk.mkv"
    shutil.copy(recording(tmp_path / "live.mkv"), source)
    size = source.stat().st_size
    with source.open("r+b") as file:
        file.truncate(size // 2)
        file.seek(0, os.SEEK_END)
        for _ in range(400):
            file.write(b"\x55" * (1 << 20))
    error = cut(engine, source, tmp_path / "spool", mode)
    assert isinstance(error, SourceCorrupt), error
    assert "no frame was found" in error.message
