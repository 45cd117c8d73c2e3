"""Video with a frame of two minutes: clips have the requested length at every position."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest

from agent.cutting import CutSpec, Engine, find_ffmpeg
from clipping.contract.choices import Mode
from clipping.contract.output import Output
from tests.agent.cutting.conftest import Cut
from tests.agent.cutting.writing.test_stream_copy import player_times
from tests.support.media import Recording, make, numbers, shown_frames, tick_times

RATE = 25
STILL = 120
"""Seconds for which the last frame before the pause stands."""
SECONDS = 10 + STILL
FRAME = Fraction(1, RATE)
AUDIO_PACKET = Fraction(1024, 48_000)

MODES: tuple[Mode, ...] = ("copy", "smart", "encode")
SHAPES: dict[str, tuple[str, ...]] = {
    "mp4": (),
    "mkv": (),
    "ts": (),
    "fragmented": ("-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    "live": ("-f", "matroska", "-live", "1"),
}
"""`mp4` is cut by its sample tables, `fragmented` and `live` have no index; others are read by packets."""


@dataclass(frozen=True)
class Lengths:
    """How long a clip is, by everything that players go by. Seconds."""

    container: Fraction
    streams: tuple[Fraction, ...]
    """Where what each stream shows last is over."""


@cache
def sparse(shape: str, moving: int = 125) -> Path:
    """`moving` frames at 25 a second, of which the last stands for two minutes, then 25 a second again."""
    pause = f"trim=end=10,setpts=if(lt(N\\,{moving})\\,PTS\\,PTS+{STILL}/TB),format=yuv420p"
    video = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50", "-bf", "2")
    video += ("-sc_threshold", "0", "-fps_mode", "passthrough")
    extension = shape if not SHAPES[shape] else "mp4"
    source = make(Recording(extension, seconds=SECONDS, video=video, filters=pause))
    if not SHAPES[shape]:
        return source
    target = source.with_name(f"{source.stem}-{shape}.bin")
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-i", str(source), "-c", "copy"]
    with target.open("wb") as out:
        subprocess.run([*command, *SHAPES[shape], "pipe:1"], stdout=out, check=True, timeout=60)
    return target


def lengths(path: Path) -> Lengths:
    """Of a clip."""
    with av.open(str(path)) as clip:
        assert clip.duration is not None
        container = Fraction(clip.duration, 1_000_000)
        shown: dict[int, tuple[int, int]] = {}
        for packet in clip.demux():
            if packet.pts is not None and packet.size:
                shown[packet.stream_index] = max(
                    (packet.pts, packet.duration or 0), shown.get(packet.stream_index, (-1, 0))
                )
        bases = {stream.index: stream.time_base or Fraction(0) for stream in clip.streams}
        ends = {index: sum(last) * bases[index] for index, last in shown.items()}
        for stream in clip.streams:
            if stream.duration is not None:
                own = (stream.duration + min(0, stream.start_time or 0)) * bases[stream.index]
                ends[stream.index] = max(ends[stream.index], own)
        return Lengths(container, tuple(ends.values()))


def delay(source: Path, engine: Engine) -> Fraction:
    """Seconds after a player's 0:00 at which it shows the first frame."""
    return player_times(source, engine)[0]


@pytest.mark.sampled(13, slow=6)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [
        ("4", "6", range(100, 125)),
        ("60", "62", [124]),
        ("20", "22", [124]),
        ("123", "126.5", range(124, 163)),
        ("2", "127", range(50, 175)),
    ],
    ids=["out in the pause", "in the pause", "early in the pause", "in in the pause", "around the pause"],
)
def test_a_clip_is_as_long_as_requested(
    cut: Cut, engine: Engine, shape: str, mode: Mode, start: str, end: str, frames: Sequence[int]
) -> None:
    source = sparse(shape)
    begin, stop = (Fraction(at) + delay(source, engine) for at in (start, end))
    clip = cut(source, str(begin), str(stop), mode, "high")
    lead = Fraction(0)
    if clip.report.mode == "copy":
        lead = begin - Fraction(clip.report.actual.start).limit_denominator(100_000)
        assert 0 <= lead <= 30
        assert clip.report.keyframe_lead_seconds == pytest.approx(float(lead), abs=1e-3)
        assert set(frames) <= set(numbers(clip.path))
    else:
        assert numbers(clip.path) == list(frames)
    asked = stop - begin + lead
    assert clip.report.actual.end == pytest.approx(float(stop), abs=float(FRAME))
    assert clip.duration == pytest.approx(float(asked), abs=float(FRAME))
    found = lengths(clip.path)
    for length in (found.container, max(found.streams)):
        assert float(length) == pytest.approx(float(asked), abs=float(FRAME + AUDIO_PACKET))
    assert all(length <= asked + FRAME + AUDIO_PACKET for length in found.streams)
    if mode == "copy" and clip.report.mode != "copy":
        assert any("copy" in warning for warning in clip.report.warnings)


@pytest.mark.sampled(5, slow=4)
@pytest.mark.parametrize("mode", ["smart", "encode"])
@pytest.mark.parametrize("shape", SHAPES)
def test_audio_stays_in_sync_with_a_long_frame(cut: Cut, engine: Engine, shape: str, mode: Mode) -> None:
    source = sparse(shape)
    late = delay(source, engine)
    clip = cut(source, str(late + Fraction("60.25")), str(late + Fraction("63.25")), mode)
    assert tick_times(clip.path) == pytest.approx([0.75, 1.75, 2.75], abs=0.003)


@pytest.mark.sampled(5, slow=4)
@pytest.mark.parametrize("mode", ["smart", "encode"])
@pytest.mark.parametrize("shape", SHAPES)
def test_frames_after_a_pause_keep_their_times(cut: Cut, engine: Engine, shape: str, mode: Mode) -> None:
    source = sparse(shape)
    late = delay(source, engine)
    clip = cut(source, str(late + 123), str(late + Fraction("126.5")), mode)
    shown = {number: float(at) for at, number in shown_frames(clip.path)}
    assert shown[124] == 0
    assert shown[125] == pytest.approx(2, abs=0.0015)
    assert shown[150] == pytest.approx(3, abs=0.0015)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_copy_that_needs_a_frame_after_the_pause_becomes_smart(
    cut: Cut, engine: Engine, shape: str
) -> None:
    """A B-frame at 5.0 s refers to a frame that is shown two minutes later."""
    source = sparse(shape, moving=126)
    late = delay(source, engine)
    clip = cut(source, str(late + Fraction("4.2")), str(late + 6), "copy")
    assert clip.report.mode == "smart"
    assert numbers(clip.path) == [*range(105, 126)]
    assert any(w.startswith("not cut as requested: copy: ") for w in clip.report.warnings)
    assert float(lengths(clip.path).container) == pytest.approx(1.8, abs=float(FRAME + AUDIO_PACKET))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("start", "end"), [("4", "6"), ("20", "22")])
def test_a_clip_in_matroska_is_as_long_as_requested(
    engine: Engine, tmp_path: Path, mode: Mode, start: str, end: str
) -> None:
    output = Output(container="mkv")
    spec = CutSpec(sparse("mp4"), Fraction(start), Fraction(end), mode, "high", output)
    clip = engine.cut(spec, tmp_path, progress=lambda *_: None)
    asked = Fraction(end) - Fraction(start) + Fraction(clip.report.keyframe_lead_seconds)
    found = lengths(clip.path)
    for length in (found.container, *found.streams):
        assert float(length) == pytest.approx(float(asked), abs=float(FRAME + AUDIO_PACKET))
