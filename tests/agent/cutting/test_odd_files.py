"""Damaged and unusual files: a quick error within the memory limit, or an intact clip."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from clipping.contract.choices import Mode, Stage
from clipping.errors import (
    ClippingError,
    CutVerificationFailed,
    RangeBeyondEnd,
    SourceCorrupt,
    SourceNotAllowed,
    SourceNotFound,
    SourceUnavailable,
)
from tests.support.media import Recording, make, numbers

MODES: tuple[Mode, ...] = ("copy", "smart", "encode")
HUGE = 10 << 30
"""Bytes; as a sparse file they take no room."""
MOST_SECONDS = 20
MOST_MEMORY = 1 << 30


@pytest.fixture(scope="module")
def strict_engine() -> Iterator[Engine]:
    """One that decodes every frame of a clip before it gives it away."""
    engine = Engine(EngineSettings(verify="full"))
    engine.start()
    yield engine
    engine.close()


def attempt(
    engine: Engine, source: Path, folder: Path, start: str, end: str, mode: Mode
) -> Clip | ClippingError:
    """The clip, which alone is then in the folder, or the error, with nothing in it; both before long."""
    folder.mkdir()
    begun = time.monotonic()
    spec = CutSpec(source, Fraction(start), Fraction(end), mode, "high")
    result: Clip | ClippingError
    try:
        result = engine.cut(spec, folder, progress=lambda *_: None)
    except ClippingError as error:
        result = error
    assert time.monotonic() - begun < MOST_SECONDS
    assert list(folder.iterdir()) == ([result.path] if isinstance(result, Clip) else [])
    return result


def clip_of(engine: Engine, source: Path, folder: Path, start: str, end: str, mode: Mode) -> Clip:
    """The clip that must come of it, which a strict decoder plays without a word."""
    clip = attempt(engine, source, folder, start, end, mode)
    assert isinstance(clip, Clip), clip
    assert complaints(clip.path) == ""
    return clip


def complaints(path: Path) -> str:
    """What a decoder says for which every error is fatal."""
    command = [str(find_ffmpeg(None)), "-v", "error", "-xerror", "-err_detect", "explode", "-i", str(path)]
    done = subprocess.run(
        [*command, "-f", "null", "-"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    return done.stderr or ("" if done.returncode == 0 else f"status {done.returncode}")


@cache
def whole(extension: str) -> bytes:
    """A recording of 12 s; an MP4's index is in front."""
    source = make(Recording(extension))
    if extension != "mp4":
        return source.read_bytes()
    front = source.with_name("index-in-front.mp4")
    command = [str(find_ffmpeg(None)), "-v", "error", "-i", str(source), "-c", "copy"]
    subprocess.run([*command, "-movflags", "+faststart", str(front)], check=True, timeout=60)
    return front.read_bytes()


def half(folder: Path, extension: str) -> Path:
    """The recording broken off in mid-packet, shortly after 6 s."""
    path = folder / f"half.{extension}"
    path.write_bytes(whole(extension)[: len(whole(extension)) // 2 + 77])
    return path


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extension", ["mp4", "ts", "mkv"])
def test_what_lies_before_the_break_is_cut(
    engine: Engine, tmp_path: Path, extension: str, mode: Mode
) -> None:
    clip = clip_of(engine, half(tmp_path, extension), tmp_path / "spool", "1", "2", mode)
    first = 0 if mode == "copy" else 25
    assert numbers(clip.path) == list(range(first, 50))
    assert clip.report.warnings == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extension", ["mp4", "ts", "mkv"])
def test_a_range_after_the_interruption_is_past_the_end(
    engine: Engine, tmp_path: Path, extension: str, mode: Mode
) -> None:
    error = attempt(engine, half(tmp_path, extension), tmp_path / "spool", "8", "10", mode)
    assert isinstance(error, RangeBeyondEnd)


@pytest.mark.parametrize("mode", ["copy", "encode"])
@pytest.mark.parametrize(("extension", "refusal"), [("mp4", CutVerificationFailed), ("ts", RangeBeyondEnd)])
def test_a_range_across_the_break_is_refused(
    engine: Engine, tmp_path: Path, extension: str, refusal: type[ClippingError], mode: Mode
) -> None:
    error = attempt(engine, half(tmp_path, extension), tmp_path / "spool", "5", "8", mode)
    assert isinstance(error, refusal)


@pytest.mark.parametrize("mode", MODES)
def test_a_clip_says_that_the_video_ends_before_the_stated_length(
    engine: Engine, tmp_path: Path, mode: Mode
) -> None:
    clip = clip_of(engine, half(tmp_path, "mkv"), tmp_path / "spool", "5", "8", mode)
    shown = numbers(clip.path)
    assert shown == list(range(100 if mode == "copy" else 125, shown[-1] + 1))
    (warning,) = clip.report.warnings
    assert "video stream ends at 0:00:06.0" in warning


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extension", ["mp4", "ts"])
def test_corrupted_bytes_never_make_a_clip_that_a_strict_decoder_refuses(
    strict_engine: Engine, tmp_path: Path, extension: str, mode: Mode
) -> None:
    data = bytearray(whole(extension))
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(255 - byte for byte in data[middle : middle + 2000])
    source = tmp_path / f"corrupted.{extension}"
    source.write_bytes(data)
    result = attempt(strict_engine, source, tmp_path / "spool", "5", "7", mode)
    if isinstance(result, Clip):
        assert complaints(result.path) == ""
        assert result.report.mode == "encode"
    else:
        assert isinstance(result, CutVerificationFailed)


def test_a_clip_says_that_damage_took_frames_out_of_its_middle(engine: Engine, tmp_path: Path) -> None:
    data = bytearray(whole("mkv"))
    middle, few = len(data) // 2, len(data) // 12
    data[middle : middle + few] = bytes(few)
    source = tmp_path / "damaged.mkv"
    source.write_bytes(data)
    result = attempt(engine, source, tmp_path / "spool", "4", "9", "encode")
    assert isinstance(result, Clip)
    assert any("shows one frame" in warning for warning in result.report.warnings), result.report


def test_a_socket(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's whole path may have 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.mp4")
        error = attempt(engine, tmp_path / "socket.mp4", tmp_path / "spool", "1", "2", "copy")
    assert isinstance(error, SourceNotAllowed)


def test_a_device(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "endless.mp4").symlink_to("/dev/zero")
    error = attempt(engine, tmp_path / "endless.mp4", tmp_path / "spool", "1", "2", "copy")
    assert isinstance(error, SourceNotAllowed)


@pytest.mark.parametrize("name", ["loop.mp4", "dangling.mp4", "n" * 300 + ".mp4"])
def test_names_that_lead_to_no_file(engine: Engine, tmp_path: Path, name: str) -> None:
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "dangling.mp4").symlink_to("nothing.mp4")
    error = attempt(engine, tmp_path / name, tmp_path / "spool", "1", "2", "copy")
    assert isinstance(error, SourceNotFound)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extension", ["mp4", "ts"])
def test_a_file_that_is_replaced_while_it_is_read(
    engine: Engine, tmp_path: Path, extension: str, mode: Mode
) -> None:
    source, other = tmp_path / f"recording.{extension}", tmp_path / f"other.{extension}"
    shutil.copy(make(Recording(extension)), source)
    shutil.copy(make(Recording(extension, seconds=13, gop=25, reordered=0)), other)
    folder = tmp_path / "spool"
    folder.mkdir()

    def replace(stage: Stage, percent: float) -> None:
        if other.exists():
            os.replace(other, source)

    spec = CutSpec(source, Fraction(4), Fraction(6), mode, "medium")
    try:
        clip = engine.cut(spec, folder, progress=replace)
    except SourceUnavailable:
        assert list(folder.iterdir()) == []
        return
    # It was made before the file was replaced, or afterwards; in any case of one file.
    shown = numbers(clip.path)
    assert shown == list(range(shown[0], 150))
    assert complaints(clip.path) == ""


@pytest.mark.parametrize("mode", ["copy", "encode"])
def test_huge_files_of_zeros_cost_neither_time_nor_memory(tmp_path: Path, mode: Mode) -> None:
    before = most_memory_of_a_child()
    engine = Engine(EngineSettings())
    engine.start()
    try:
        for extension in ("mp4", "ts", "mkv"):
            source = tmp_path / f"zeros.{extension}"
            source.touch()
            os.truncate(source, HUGE)
            error = attempt(engine, source, tmp_path / f"spool-{extension}", "1", "2", mode)
            assert isinstance(error, SourceCorrupt)
        assert engine.answers(MOST_SECONDS)  # by now the last cut's process has been waited for
    finally:
        engine.close()  # only what has been waited for is counted
    assert most_memory_of_a_child() <= max(before, MOST_MEMORY)


def most_memory_of_a_child() -> int:
    """Bytes that the largest of all processes below this one has ever used."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
def test_zeros_after_a_recording_are_ignored(engine: Engine, tmp_path: Path, extension: str) -> None:
    source = tmp_path / f"padded.{extension}"
    source.write_bytes(whole(extension))
    os.truncate(source, HUGE)
    clip = clip_of(engine, source, tmp_path / "spool", "3", "5", "smart")
    assert numbers(clip.path) == list(range(75, 125))


def test_zeros_after_a_transport_stream_are_refused(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "padded.ts"
    source.write_bytes(whole("ts"))
    os.truncate(source, HUGE)
    with source.open("ab") as file:
        file.write(b"\0")  # what was reserved behind the end would not be read at all
    error = attempt(engine, source, tmp_path / "spool", "3", "5", "copy")
    assert isinstance(error, SourceCorrupt)
    assert "packets are missing" in error.message
