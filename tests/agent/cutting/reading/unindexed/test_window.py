"""Recordings without an index are cut as exactly as others, without reading them from the start."""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import Engine, find_ffmpeg
from agent.cutting.reading.source import open_path
from agent.cutting.reading.unindexed.landmarks import Landmark, Landmarks
from agent.cutting.reading.unindexed.window import indexless
from clipping.contract.choices import Mode
from tests.agent.cutting.conftest import Cut
from tests.agent.cutting.writing.test_stream_copy import player_times
from tests.support.media import Recording, make, numbers, tick_offsets

SHAPES = {
    "matroska": ("-f", "matroska", "-live", "1"),
    "fragmented": ("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
}


def without_index(shape: str, folder: Path) -> Path:
    """A recording as a program leaves it that was killed, or still writes."""
    target = folder / f"{shape}.bin"
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-i", str(make(Recording(seconds=20)))]
    with target.open("wb") as out:
        subprocess.run([*command, "-c", "copy", *SHAPES[shape], "pipe:1"], stdout=out, check=True, timeout=60)
    return target


@pytest.mark.sampled(5, slow=5)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize(("start", "end"), [("0", "1"), ("8.3", "10.1"), ("18.5", "20")])
def test_they_are_cut_exactly(
    cut: Cut, engine: Engine, tmp_path: Path, shape: str, mode: Mode, start: str, end: str
) -> None:
    source = without_index(shape, tmp_path)
    times = player_times(source, engine)
    wanted = [n for n, at in times.items() if Fraction(start) <= at < Fraction(end)]
    if mode == "copy":
        key = max((n for n in times if n % 50 == 0 and times[n] <= Fraction(start)), default=0)
        wanted = list(range(key, wanted[-1] + 1))
    clip = cut(source, start, end, mode)
    shown = numbers(clip.path)
    assert shown[: len(wanted)] == wanted
    assert len(shown) <= len(wanted) + (3 if mode == "copy" else 0)
    assert clip.report.warnings == []
    assert all(abs(offset) < 0.003 for offset in tick_offsets(clip.path, Fraction(25)))


@pytest.mark.parametrize("shape", SHAPES)
def test_their_length_is_found_at_their_end(engine: Engine, tmp_path: Path, shape: str) -> None:
    source = without_index(shape, tmp_path)
    with open_path(source) as file:
        assert indexless(file) is not None
    duration = engine.probe(source).duration
    assert duration is not None
    assert float(duration) == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts", "mov", "avi"])
def test_others_are_opened_as_they_are(extension: str) -> None:
    video = ("-c:v", "mpeg4") if extension == "avi" else None
    with open_path(make(Recording(extension, video=video, audio=()))) as source:
        assert indexless(source) is None


class Counting(io.BytesIO):
    """Says how much of it was read."""

    total = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.total += len(data)
        return data


@dataclass(frozen=True)
class Marks:
    """A container whose landmarks say their number, one a second, 1 MB apart and after a MB of header."""

    size: int
    header_end: int = 1_000_000
    signature: bytes = b"MARK"
    signature_at: int = 0

    def landmark(self, file: io.BytesIO, offset: int) -> Landmark | None:  # type: ignore[override]
        file.seek(offset + 4)
        digits = file.read(6)
        return Landmark(offset, Fraction(int(digits))) if digits.isdigit() else None


def marked(count: int) -> bytes:
    content = bytearray(1_000_000 * (count + 1))
    for number in range(count):
        at = 1_000_000 * (number + 1)
        content[at : at + 10] = b"MARK%06d" % number
        content[at + 500_000 : at + 500_010] = b"MARKnumber"  # looks like one
    return bytes(content)


@pytest.fixture(scope="module")
def two_hundred() -> bytes:
    """201 MB, which files share."""
    return marked(200)


@pytest.mark.parametrize("time", ["-5", "0", "0.5", "70", "149.9", "150", "1000"])
def test_a_search_finds_the_landmark_before_and_reads_little(two_hundred: bytes, time: str) -> None:
    file = Counting(two_hundred)
    found = Landmarks(file, Marks(201_000_000)).before(Fraction(time))
    assert found == 1_000_000 * (1 + max(0, min(199, int(Fraction(time)))))
    assert file.total < 40_000_000


@pytest.mark.parametrize("end", [None, Fraction(200), Fraction(20), Fraction(20_000)])
@pytest.mark.parametrize("time", ["-5", "0", "0.5", "70", "149.9", "150", "199.5"])
def test_a_search_for_a_place_near_by_reads_less(two_hundred: bytes, time: str, end: Fraction | None) -> None:
    file = Counting(two_hundred)
    found = Landmarks(file, Marks(201_000_000)).near(Fraction(time), end)
    number = max(0, found // 1_000_000 - 1)
    assert found == 1_000_000 * (number + 1)
    assert number <= max(0, float(Fraction(time)))
    assert float(Fraction(time)) - number <= 11
    assert file.total < (16_000_000 if end == 200 else 40_000_000)


def test_a_search_finds_the_next_and_the_last_landmark() -> None:
    landmarks = Landmarks(Counting(marked(20)), Marks(21_000_000))
    assert landmarks.after(Fraction("3.5")) == 5_000_000
    assert landmarks.after(Fraction(100)) == 21_000_000
    assert landmarks.last() == 20_000_000
