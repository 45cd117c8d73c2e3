"""Reels of parts whose frames are computed: with windows that move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.cutting import Engine
from clipping.contract.choices import TransitionType
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from tests.agent.cutting.effects.moving import Scene, video
from tests.agent.cutting.reel.reels import Piece, make_reel, spec_of

SIZE, TARGET, RATE = (320, 180), (90, 160), 25
LEFT, RIGHT = (Scene(lambda t: 0.15 + 0.1 * t), Scene(lambda t: 0.9 - 0.15 * t, seed=2))


@pytest.fixture(scope="module")
def matches(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two recordings of 3 s with a subject that runs."""
    folder = tmp_path_factory.mktemp("matches")
    for name, scene in (("left", LEFT), ("right", RIGHT)):
        video([(scene, 3)], SIZE, RATE, folder / f"{name}.mp4")
    return [folder / "left.mp4", folder / "right.mp4"]


@pytest.mark.parametrize("transition", ["cut", "dissolve"])
def test_a_smart_crop_follows_the_action_of_each_part(
    engine: Engine, tmp_path: Path, matches: list[Path], transition: TransitionType
) -> None:
    pieces = [Piece(matches[0], "0.2", "2.6"), Piece(matches[1], "0.4", "2.8")]
    output = Output(aspect="9:16", fit="smart_crop", width=TARGET[0])
    clip = make_reel(engine, spec_of(pieces, "encode", transition, output=output), tmp_path)
    assert (clip.report.video.width, clip.report.video.height) == TARGET
    assert clip.report.parts is not None
    first, second = (part.framing for part in clip.report.parts)
    assert first is not None
    assert second is not None
    assert first.keyframes[0].x < first.keyframes[-1].x
    assert second.keyframes[0].x > second.keyframes[-1].x


def test_a_part_with_a_window_that_moves_can_be_dissolved(
    engine: Engine, tmp_path: Path, matches: list[Path]
) -> None:
    ends: list[dict[str, Any]] = [
        {"time": time, "x": x, "y": 0.0, "width": 101.25, "height": 180.0}
        for time, x in ((0, 0.0), (2, 80.0))
    ]
    size = {"target_width": TARGET[0], "target_height": TARGET[1]}
    effects = Effects.model_validate({"framing": {"keyframes": ends, **size}})
    pieces = [Piece(matches[0], "0.2", "2.6", effects=effects), Piece(matches[1], "0.4", "2.8")]
    clip = make_reel(engine, spec_of(pieces, "encode", "dissolve", output=Output()), tmp_path)
    assert (clip.report.video.width, clip.report.video.height) == TARGET
    assert clip.report.frames == 110
