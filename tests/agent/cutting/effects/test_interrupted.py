"""Effects in clips that are encoded in segments, resumed, or of damaged recordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, Interruption, Keep, Reason
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from clipping.errors import GivenBack
from tests.agent.cutting.effects.test_effects import KINDS, planes
from tests.support.media import Recording, make

pytestmark = pytest.mark.slow

KEY = {"x": 10.0, "y": 10.0, "radiusX": 5.0, "radiusY": 5.0}
REGION = {"start_time": 0.0, "end_time": 99.0, "keyframes": [{"time": 99.0, **KEY}]}
OVERLAY = {"overlay": {"effect_type": "original", "regions": [REGION]}}
TITLE = {"title": {"name": "All in", "rating": 4}}
FRAMING = {
    "framing": {
        "keyframes": [
            {"time": at, "x": x, "y": 20.0, "width": 90.0, "height": 160.0}
            for at, x in ((0, 0.0), (8, 200.0))
        ],
        "target_width": 180,
        "target_height": 320,
    }
}
SOURCES = {
    "plain": Recording(seconds=12, gop=25),
    "no audio": Recording("mkv", seconds=12, gop=25, audio=()),
    **{kind: KINDS[kind] for kind in ("variable rate", "interlaced", "ntsc", "ten bits")},
}


class Encoder:
    """Makes clips of 1.3 s to 10.7 s in one folder."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.keep = Keep(folder / "kept", "clip-1", "spec", "nas-1", min_seconds=3, segment_seconds=2)

    def __call__(
        self,
        source: Path,
        effects: dict[str, Any],
        *,
        keep: Keep | None = None,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
        interruption: Interruption | None = None,
        **output: Any,
    ) -> Clip:
        spec = CutSpec(
            source,
            Fraction("1.3"),
            Fraction("10.7"),
            "encode",
            "high",
            Output(**output),
            Effects.model_validate(effects),
        )
        folder = self.folder / "spool"
        folder.mkdir(exist_ok=True)
        reported: list[float] = []
        clip = self.engine.cut(
            spec,
            folder,
            progress=lambda _, percent: reported.append(percent),
            interruption=interruption,
            keep=keep,
            checkpoint=checkpoint,
        )
        assert reported == sorted(reported)
        assert [path.name for path in folder.iterdir()] == [clip.path.name]
        moved = clip.path.rename(self.folder / clip.path.name)
        return replace(clip, path=moved)


@pytest.fixture
def encoder(engine: Engine, tmp_path: Path) -> Encoder:
    return Encoder(engine, tmp_path)


def alike(ours: Path, theirs: Path) -> None:
    """That two clips show the same frames at the same times."""
    assert times(ours) == times(theirs)
    one, other = planes(ours), planes(theirs)
    assert len(one) == len(other)
    assert (
        max(abs(a - b).mean() for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)) < 3
    )


def times(clip: Path) -> list[float]:
    with av.open(str(clip)) as container:
        return [frame.time or 0.0 for frame in container.decode(video=0)]


CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "title": ("plain", TITLE, {}),
    "title on interlaced": ("interlaced", TITLE, {}),
    "overlay on variable rate": ("variable rate", OVERLAY, {}),
    "overlay on interlaced": ("interlaced", OVERLAY, {}),
    "another rate": ("no audio", OVERLAY | TITLE, {"fps": 30.0}),
    "another rate from variable": ("variable rate", OVERLAY, {"fps": 25.0}),
    "limited size": ("ntsc", FRAMING | TITLE, {"max_bytes": 400_000}),
    "hevc": ("ten bits", FRAMING, {"video_codec": "hevc", "container": "mkv"}),
}


@pytest.mark.sampled(slow=3)
@pytest.mark.parametrize("case", CASES)
def test_segments_are_as_one_pass(encoder: Encoder, case: str) -> None:
    kind, effects, output = CASES[case]
    source = make(SOURCES[kind])
    checkpoints: list[Checkpoint] = []
    parts = encoder(source, effects, keep=encoder.keep, checkpoint=checkpoints.append, **output)
    once = encoder(source, effects, **output)
    assert len(checkpoints) >= 3
    assert parts.report.warnings == once.report.warnings == []
    assert (parts.report.frames, parts.duration) == (once.report.frames, once.duration)
    alike(parts.path, once.path)


def test_it_resumes_behind_the_last_finished_segment(encoder: Encoder) -> None:
    source, effects = make(SOURCES["plain"]), FRAMING | TITLE
    interruption = Interruption()
    checkpoints: list[Checkpoint] = []

    def stop(found: Checkpoint) -> None:
        if found.segment == 2:
            interruption.set(Reason.GIVEN_BACK)

    with pytest.raises(GivenBack):
        encoder(source, effects, keep=encoder.keep, checkpoint=stop, interruption=interruption)
    assert list((encoder.folder / "spool").iterdir()) == []
    resumed = encoder(source, effects, keep=encoder.keep, checkpoint=checkpoints.append)
    assert [found.segment for found in checkpoints][:2] == [2, 3]
    assert checkpoints[-1].resumed_count == 1
    alike(resumed.path, encoder(source, effects).path)
    # Other effects are another clip.
    others: list[Checkpoint] = []
    encoder(source, FRAMING, keep=encoder.keep, checkpoint=others.append)
    assert (others[0].segment, others[-1].resumed_count) == (1, 0)


@pytest.mark.sampled(slow=2)
@pytest.mark.parametrize(
    ("extension", "effects"),
    [
        ("mp4", OVERLAY),
        ("ts", FRAMING | TITLE),
        ("mkv", TITLE),
        ("ts", {"segments": [{"start": 2.0, "end": 6.0, "speed": 2.0}]}),
    ],
)
def test_damage_is_encoded_over(tmp_path: Path, extension: str, effects: dict[str, Any]) -> None:
    data = bytearray(make(Recording(extension, seconds=12, gop=25)).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    damaged = tmp_path / f"damaged.{extension}"
    damaged.write_bytes(data)
    engine = Engine(EngineSettings(on_damage="reencode"))
    engine.start()
    try:
        encoder = Encoder(engine, tmp_path)
        clip = encoder(damaged, effects)
        kept = encoder(damaged, effects, keep=encoder.keep)
    finally:
        engine.close()
    assert any("damaged data at" in warning for warning in clip.report.warnings)
    assert clip.duration == pytest.approx(7.4 if "segments" in effects else 9.4, abs=0.05)
    assert kept.duration == pytest.approx(clip.duration)
