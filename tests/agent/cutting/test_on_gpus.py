"""What the engine does with encoders of GPUs: which it uses, and what becomes of their frames.

The GPUs are `tests.support.gpus`: no such encoder is tested here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, Keep, find_ffmpeg
from agent.cutting.encode import render_nodes
from agent.cutting.plan import encoders
from clipping.contract.choices import Quality
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from tests.agent.cutting.reel.reels import Piece, check, make_reel, spec_of
from tests.support.gpus import Gpus, make_gpus
from tests.support.media import Recording, make, numbers

ALL = ("ICQ", "VBR", "CQP")
Started: TypeAlias = tuple[Engine, Gpus]
Start = Callable[..., Started]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """`start({gpu: modes}, **settings)`: an engine on a machine with these GPUs."""
    started: list[Engine] = []

    def run(modes: dict[int, Sequence[str]], **settings: Any) -> Started:
        folder = tmp_path_factory.mktemp("gpus")
        gpus = make_gpus(folder, find_ffmpeg(None), modes)
        for module in (encoders, render_nodes):
            monkeypatch.setattr(module, "DRI", folder)
        engine = Engine(EngineSettings(**{"ffmpeg": gpus.program, "encoder": "vaapi", **settings}))
        engine.start()
        started.append(engine)
        return engine, gpus

    yield run
    for engine in started:
        engine.close()


def cut(
    engine: Engine,
    folder: Path,
    quality: Quality = "high",
    keep: Keep | None = None,
    effects: Effects | None = None,
    **output: Any,
) -> Clip:
    source = make(Recording(seconds=12, gop=25)) if keep else make()
    end = Fraction(9) if keep else Fraction(2)
    spec = CutSpec(source, Fraction(1), end, "encode", quality, Output(**output), effects or Effects())
    return engine.cut(spec, folder, progress=lambda *_: None, keep=keep)


@pytest.mark.parametrize("kind", [pytest.param("qsv", marks=pytest.mark.slow), "vaapi"])
def test_a_clip_is_made_by_a_gpu_in_the_mode_that_suits_it(start: Start, tmp_path: Path, kind: str) -> None:
    engine, gpus = start({0: (), 1: ALL}, encoder=kind)
    free = cut(engine, tmp_path)
    capped = cut(engine, tmp_path, quality="medium")
    hevc = cut(engine, tmp_path, video_codec="hevc")
    assert [clip.report.encoder for clip in (free, capped, hevc)] == [
        f"h264_{kind}",
        f"h264_{kind}",
        f"hevc_{kind}",
    ]
    assert {clip.report.gpu for clip in (free, capped, hevc)} == {1}
    assert not any(clip.report.warnings for clip in (free, capped, hevc))
    assert [encode["mode"] for encode in gpus.encodes if not encode["trial"]] == ["ICQ", "VBR", "ICQ"]
    for clip in (free, capped, hevc):
        assert numbers(clip.path) == list(range(25, 50))
    with av.open(str(hevc.path)) as opened:
        assert opened.streams.video[0].codec_tag == "hvc1"
    assert engine.encoders == [f"h264_{kind}", f"hevc_{kind}", "libx264", "libx265"]


@pytest.mark.slow
def test_a_gpu_with_a_fixed_quantizer_only_makes_no_clip_with_a_limit(start: Start, tmp_path: Path) -> None:
    engine, gpus = start({0: ("CQP",)})
    assert cut(engine, tmp_path).report.encoder == "h264_vaapi"
    limited = cut(engine, tmp_path, max_bytes=400_000)
    assert (limited.report.encoder, limited.report.gpu) == ("libx264", None)
    assert limited.size <= 400_000
    (warning,) = limited.report.warnings
    assert "with a limit of the bit rate" in warning
    assert [encode["mode"] for encode in gpus.encodes if not encode["trial"]] == ["CQP"]


@pytest.mark.slow
def test_auto_uses_the_gpu_and_does_not_warn_without_one(start: Start, tmp_path: Path) -> None:
    engine, _ = start({0: ("CQP",)}, encoder="auto")
    assert cut(engine, tmp_path).report.encoder == "h264_qsv"
    limited = cut(engine, tmp_path, max_bytes=400_000)
    assert (limited.report.encoder, limited.report.warnings) == ("libx264", [])


def test_a_gpu_that_fails_is_replaced_by_the_cpu(start: Start, tmp_path: Path) -> None:
    engine, gpus = start({0: ALL})
    gpus.fail("clip-")
    clip = cut(engine, tmp_path)
    assert (clip.report.encoder, clip.report.gpu) == ("libx264", None)
    (warning,) = clip.report.warnings
    assert warning.startswith("h264_vaapi on GPU 0 failed, because")
    assert numbers(clip.path) == list(range(25, 50))


@pytest.mark.slow
def test_segments_of_a_gpu_are_joined(start: Start, tmp_path: Path) -> None:
    engine, gpus = start({0: ALL})
    keep = Keep(tmp_path / "kept", "clip-1", "spec", "nas-1", min_seconds=3, segment_seconds=2)
    clip = cut(engine, tmp_path, keep=keep)
    assert (clip.report.encoder, clip.report.gpu, clip.report.warnings) == ("h264_vaapi", 0, [])
    assert len([encode for encode in gpus.encodes if not encode["trial"]]) >= 3
    assert numbers(clip.path) == list(range(25, 225))


@pytest.mark.slow
def test_effects_are_encoded_by_a_gpu(start: Start, tmp_path: Path) -> None:
    engine, _ = start({0: ALL})
    effects = Effects.model_validate({"segments": [{"start": 0, "end": 1, "speed": 0.5}]})
    clip = cut(engine, tmp_path, effects=effects)
    assert (clip.report.encoder, clip.report.warnings, clip.report.frames) == ("h264_vaapi", [], 50)


def both_parts() -> list[Piece]:
    source = make(Recording(seconds=12, gop=25))
    return [Piece(source, "0.6", "2.8"), Piece(source, "4.2", "6.4")]


@pytest.mark.slow
def test_a_reel_and_its_transitions_are_made_by_a_gpu(start: Start, tmp_path: Path) -> None:
    engine, gpus = start({0: ALL})
    pieces = both_parts()
    spec = spec_of(pieces, "encode", "dissolve")
    clip = make_reel(engine, spec, tmp_path)
    assert (clip.report.encoder, clip.report.gpu, clip.report.warnings) == ("h264_vaapi", 0, [])
    assert len([encode for encode in gpus.encodes if not encode["trial"]]) == 3
    check(clip, spec, pieces)


@pytest.mark.slow
def test_a_reel_whose_transitions_a_gpu_fails_at_is_made_by_the_cpu(start: Start, tmp_path: Path) -> None:
    engine, gpus = start({0: ALL})
    gpus.fail(".joins/")
    pieces = both_parts()
    spec = spec_of(pieces, "encode", "dissolve")
    clip = make_reel(engine, spec, tmp_path)
    assert (clip.report.encoder, clip.report.gpu) == ("libx264", None)
    (warning,) = clip.report.warnings
    assert "the CPU made them again" in warning
    check(clip, spec, pieces)


@pytest.mark.slow
def test_clips_are_spread_over_the_gpus(start: Start, tmp_path: Path) -> None:
    engine, _ = start({0: ALL, 1: ALL, 2: ()}, gpus=(0, 1, 2), sessions_per_gpu=1, slots=3)
    with ThreadPoolExecutor(3) as pool:
        clips = list(pool.map(lambda _: cut(engine, tmp_path), range(3)))
    used = Counter(clip.report.gpu for clip in clips)
    assert used[2] == 0
    assert all(
        clip.report.encoder == ("libx264" if clip.report.gpu is None else "h264_vaapi") for clip in clips
    )
    full = "h264_vaapi is not used, because all its sessions are taken: the clip was made by libx264"
    assert [clip.report.warnings for clip in clips if clip.report.gpu is None] == [[full]] * used[None]
