"""A plan says what the clip's report then says."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import CutSpec, Engine
from clipping.contract.choices import Mode
from clipping.contract.output import Output
from clipping.contract.plan import ClipPlan
from clipping.errors import ClippingError
from tests.support.media import Recording, make

RECORDINGS = {
    "mp4": Recording(),
    "mkv": Recording("mkv"),
    "ts": Recording("ts"),
    "mov, two tracks": Recording("mov", audio=("aac", "ac3")),
    "open gop": Recording(open_gop=True),
    "no reordering": Recording(reordered=0),
    "hevc": Recording(
        video=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=50:log-level=none")
    ),
    "mpeg2": Recording("ts", video=("-c:v", "mpeg2video", "-g", "25", "-q:v", "4"), audio=("mp2",)),
    "vp9": Recording("webm", seconds=4, video=("-c:v", "libvpx-vp9", "-cpu-used", "8"), audio=("libopus",)),
    "4:4:4": Recording(filters="format=yuv444p"),
    "audio that ends": Recording("mkv", audio=("aac", "aac"), audio_seconds=(12, 2)),
    "no audio": Recording(audio=()),
}
PLACES = [("0", "2.5"), ("1.3", "3.71"), ("4.01", "11.2")]
CASES = [
    (name, start, end, mode)
    for name in RECORDINGS
    for start, end in PLACES
    for mode in ("copy", "smart")
    if RECORDINGS[name].seconds > 4 or start != "4.01"
]


def spec_of(source: Path, start: str, end: str, mode: Mode, output: Output | None = None) -> CutSpec:
    spec = CutSpec(source, Fraction(start), Fraction(end), mode, "high")
    return spec if output is None else replace(spec, output=output)


def planned_and_cut(engine: Engine, spec: CutSpec, folder: Path) -> tuple[ClipPlan, int]:
    """The plan, whose every field but the estimates is then that of the clip; and the clip's size."""
    plan = engine.plan(spec)
    clip = engine.cut(spec, folder, progress=lambda *_: None)
    report = clip.report
    failed = [text for text in report.warnings if text.startswith("not cut as requested: ")]
    assert [f"not cut as requested: {reason}" for reason in plan.reasons] == failed
    assert plan.warnings == [text for text in report.warnings if text not in failed]
    assert (plan.in_, plan.out) == (report.actual.start, report.actual.end)
    assert plan.keyframe_lead_seconds == report.keyframe_lead_seconds
    assert (plan.mode, plan.encoder) == (report.mode, report.encoder)
    assert plan.dropped_streams == report.dropped_streams
    assert plan.frames == report.frames
    assert plan.duration_seconds == clip.duration
    rate = report.frames / clip.duration
    assert plan.frames_reencoded == pytest.approx(report.reencoded_seconds * rate, abs=1)
    return plan, clip.size


@pytest.mark.sampled(10, slow=4)
@pytest.mark.parametrize(("name", "start", "end", "mode"), CASES)
def test_a_clip_is_what_its_plan_says(
    engine: Engine, tmp_path: Path, name: str, start: str, end: str, mode: Mode
) -> None:
    spec = spec_of(make(RECORDINGS[name]), start, end, mode)
    plan, size = planned_and_cut(engine, spec, tmp_path)
    if plan.mode != "encode":
        assert plan.estimated_bytes == pytest.approx(size, rel=0.05)


def test_nothing_is_decoded_for_a_copy_and_nothing_is_written(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "night.mp4"
    source.write_bytes(make().read_bytes())
    plan = engine.plan(spec_of(source, "3.3", "7", "copy"))
    assert (plan.in_, plan.mode, plan.frames_reencoded, plan.encoder) == (2.0, "copy", 0, None)
    assert plan.keyframe_lead_seconds == pytest.approx(1.3)
    assert os.listdir(tmp_path) == ["night.mp4"]


def test_the_edges_of_a_smart_cut_are_counted(engine: Engine) -> None:
    plan = engine.plan(spec_of(make(Recording(reordered=0)), "3.2", "7", "smart"))
    assert (plan.in_, plan.out, plan.mode) == (3.2, 7.0, "smart")
    assert plan.frames_reencoded == 20, "from 3.2 s to the keyframe at 4 s"
    assert plan.encoder == "libx264"


def test_an_edge_of_many_frames_is_estimated(engine: Engine, tmp_path: Path) -> None:
    """Only its first frames are encoded."""
    spec = spec_of(make(Recording(gop=300)), "1", "11.5", "smart")
    plan, size = planned_and_cut(engine, spec, tmp_path)
    assert plan.frames_reencoded > 200
    assert plan.estimated_bytes == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize(
    "output",
    [
        Output(),
        Output(aspect="9:16", width=180, fps=10),
        pytest.param(Output(video_codec="hevc", height=100), marks=pytest.mark.slow),
        pytest.param(Output(max_bytes=100_000, container="mkv"), marks=pytest.mark.slow),
    ],
)
def test_an_encode_is_estimated(engine: Engine, tmp_path: Path, output: Output) -> None:
    plan, size = planned_and_cut(engine, spec_of(make(), "1.3", "4", "encode", output), tmp_path)
    assert plan.frames_reencoded == plan.frames
    assert size / 5 < plan.estimated_bytes < size * 5
    assert plan.estimated_seconds > 0


@pytest.mark.parametrize(
    ("source", "start", "end"),
    [
        (make, "20", "30"),
        (make, "5", "30"),
        (lambda: Path("/none/night.mp4"), "1", "2"),
        (lambda: Path(__file__), "1", "2"),
        (lambda: make(Recording("mkv", video=())), "1", "2"),
    ],
    ids=["behind the end", "ends behind the end", "missing", "no recording", "no video"],
)
def test_a_plan_fails_as_the_cut_does(
    engine: Engine, tmp_path: Path, source: Callable[[], Path], start: str, end: str
) -> None:
    spec = spec_of(source(), start, end, "copy")
    with pytest.raises(ClippingError) as planning:
        engine.plan(spec)
    with pytest.raises(ClippingError) as cutting:
        engine.cut(spec, tmp_path, progress=lambda *_: None)
    assert (planning.value.code, planning.value.message) == (cutting.value.code, cutting.value.message)
