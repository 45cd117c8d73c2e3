"""Damage in a recording is reported with its time, or handled as `cutting.on_damage` says; whole recordings
give no warning."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings
from clipping.contract.choices import Mode
from clipping.errors import CutVerificationFailed, PermanentError, SourceDamaged
from tests.agent.cutting.conftest import Cut
from tests.agent.cutting.test_odd_files import complaints
from tests.support.media import Recording, make

HOLE = 60_000
"""Bytes of zeros: about a second of these recordings."""
_DAMAGED = re.compile(r"damaged data at (\d+\.\d{3}) s(?: to \d+\.\d{3} s)?: (.+) in (.+)")
CONTAINERS = ("mp4", "mkv", "ts")


def damaged(clip: Clip) -> list[tuple[float, str, str]]:
    """Time, reason and stream of each warning about damage."""
    found = (_DAMAGED.fullmatch(warning) for warning in clip.report.warnings)
    return [(float(match[1]), match[2], match[3]) for match in found if match]


def changed(folder: Path, source: Path, at: int, content: bytes) -> Path:
    """A copy of a recording with other bytes at one place."""
    data = bytearray(source.read_bytes())
    data[at : at + len(content)] = content
    target = folder / f"damaged{source.suffix}"
    target.write_bytes(data)
    return target


def payload_at(source: Path, second: float, kind: str = "video") -> tuple[int, bytes]:
    """The first packet that is shown at or after `second`: where its bytes lie in the file, and they."""
    with av.open(str(source)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        begin = stream.start_time or 0
        for packet in container.demux(stream):
            if packet.pts is not None and (packet.pts - begin) * packet.time_base >= second and packet.size:
                return source.read_bytes().index(bytes(packet), packet.pos or 0), bytes(packet)
    raise AssertionError


def cut_with(settings: EngineSettings, source: Path, folder: Path, mode: Mode) -> Clip:
    """A clip from 2.3 s to 9.7 s."""
    engine = Engine(settings)
    engine.start()
    try:
        spec = CutSpec(source, Fraction("2.3"), Fraction("9.7"), mode, "high")
        return engine.cut(spec, folder, progress=lambda *_: None)
    finally:
        engine.close()


def report_or_error(cut: Cut, source: Path, mode: Mode) -> str:
    """What is reported about damage: the warnings, or the error if no clip can be made."""
    try:
        return " ".join(cut(source, "2.3", "9.7", mode).report.warnings)
    except CutVerificationFailed as error:
        return error.message


@pytest.fixture
def holed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A recording, in the container that the test names, with zeros in its middle."""
    source = make(Recording(request.param))
    return changed(tmp_path, source, source.stat().st_size // 2, bytes(HOLE))


@pytest.mark.parametrize("holed", CONTAINERS, indirect=True)
@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_zeros_in_the_middle_are_reported(cut: Cut, holed: Path, mode: Mode) -> None:
    clip = cut(holed, "2.3", "9.7", mode)
    found = damaged(clip)
    assert found, clip.report.warnings
    assert all(4.5 < at < 7.5 for at, _, _ in found)
    assert len(clip.report.warnings) < 10
    assert clip.report.mode == mode


@pytest.mark.parametrize("holed", CONTAINERS, indirect=True)
def test_an_encode_over_zeros_reports_them_or_fails_with_their_place(cut: Cut, holed: Path) -> None:
    assert re.search(r"damaged data at [4-7]\.\d{3} s", report_or_error(cut, holed, "encode"))


@pytest.mark.parametrize("mode", ["smart", "encode"])
def test_zeros_at_the_in_point_are_reported(cut: Cut, tmp_path: Path, mode: Mode) -> None:
    """What is re-encoded there can't be decoded."""
    source = make()
    at, payload = payload_at(source, 2.4)
    holed = changed(tmp_path, source, at, bytes(len(payload)))
    assert re.search(r"damaged data at 2\.\d{3} s", report_or_error(cut, holed, mode))


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_broken_lengths_of_nal_units_are_reported(cut: Cut, tmp_path: Path, container: str) -> None:
    source = make(Recording(container))
    at, payload = payload_at(source, 6.04)
    broken = changed(tmp_path, source, at, bytes([payload[0] ^ 0x40]))
    found = damaged(cut(broken, "2.3", "9.7", "copy"))
    assert [(why, stream) for _, why, stream in found] == [("broken NAL units", "the video")]
    assert found[0][0] == pytest.approx(6.04, abs=0.2)


@pytest.mark.parametrize("codec", ["ac3", "libmp3lame"])
def test_audio_frames_without_their_header_are_reported(cut: Cut, tmp_path: Path, codec: str) -> None:
    source = make(Recording("mkv", audio=(codec,)))
    at, _ = payload_at(source, 6, "audio")
    broken = changed(tmp_path, source, at, b"\x55\x55\x55\x55")
    found = damaged(cut(broken, "2.3", "9.7", "copy"))
    assert found
    assert {stream for _, _, stream in found} == {"audio stream 1"}
    assert found[0][0] == pytest.approx(6, abs=0.1)


def test_lost_packets_of_mpeg_ts_are_reported(cut: Cut, tmp_path: Path) -> None:
    data = make(Recording("ts")).read_bytes()
    middle = len(data) // 2 // 188 * 188
    lossy = tmp_path / "lossy.ts"
    lossy.write_bytes(data[:middle] + data[middle + 5 * 188 :])
    clip = cut(lossy, "2.3", "9.7", "copy")
    found = damaged(clip)
    assert found, clip.report.warnings
    assert all(4.5 < at < 7.5 for at, _, _ in found)


def test_damage_outside_the_clip_is_not_reported(cut: Cut, tmp_path: Path) -> None:
    source = make()
    at, payload = payload_at(source, 1.04)
    early = changed(tmp_path, source, at, bytes(len(payload)))
    at, payload = payload_at(source, 11.04)
    both = changed(tmp_path, early, at, bytes(len(payload)))
    assert cut(both, "4.3", "9.7", "copy").report.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("holed", ["mp4"], indirect=True)
@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_damage_is_an_error_where_it_is_to_be(holed: Path, tmp_path: Path, mode: Mode) -> None:
    with pytest.raises(SourceDamaged, match=r"damaged data at \d\.\d{3} s") as raised:
        cut_with(EngineSettings(on_damage="fail"), holed, tmp_path, mode)
    assert isinstance(raised.value, PermanentError)
    assert raised.value.code == "SOURCE_DAMAGED"
    assert [path.name for path in tmp_path.iterdir()] == [holed.name]


@pytest.mark.sampled(3, slow=3)
@pytest.mark.parametrize("holed", CONTAINERS, indirect=True)
@pytest.mark.parametrize("mode", ["copy", "encode"])
def test_damage_is_encoded_over_where_it_is_to_be(holed: Path, tmp_path: Path, mode: Mode) -> None:
    clip = cut_with(EngineSettings(on_damage="reencode"), holed, tmp_path, mode)
    assert clip.report.mode == "encode"
    assert damaged(clip)
    assert clip.duration == pytest.approx(7.4, abs=0.05)
    assert complaints(clip.path) == ""
    if mode == "copy":
        assert any(w.startswith("not cut as requested: copy: ") for w in clip.report.warnings)
        assert not any("smart" in warning for warning in clip.report.warnings)


def test_whole_recordings_are_not_encoded_in_fear_of_damage(tmp_path: Path) -> None:
    clip = cut_with(EngineSettings(on_damage="reencode"), make(), tmp_path, "copy")
    assert (clip.report.mode, clip.report.warnings) == ("copy", [])
