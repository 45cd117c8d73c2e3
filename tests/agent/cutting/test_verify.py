"""A clip that is not what was planned never leaves the engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting.copy import copy
from agent.cutting.outcome import Outcome, Sound
from agent.cutting.plan import plan_cut
from agent.cutting.probe import probe
from agent.cutting.source import open_source
from agent.cutting.spec import CutSpec
from agent.cutting.timing import timings_of_boxes, timings_of_packets
from agent.cutting.verify import Rejected, verify
from tests.support.media import make


def cut(folder: Path) -> Outcome:
    source = make()
    spec = CutSpec(source, Fraction("3.3"), Fraction("7.1"), "copy", "high")
    plan = plan_cut(probe(source), spec, "copy")
    with open_source(source) as container:
        return copy(container, plan, folder / "clip.part", bit_rate=128_000, progress=lambda _: None)


def test_a_good_clip_passes(tmp_path: Path) -> None:
    facts = verify(cut(tmp_path))
    assert (facts.width, facts.height) == (320, 200)
    assert facts.fps == pytest.approx(25)


Change = Callable[[Outcome], Outcome]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda o: replace(o, frames=o.frames + 1), "frames"),
        (lambda o: replace(o, last=o.last + 1), "last frame"),
        (lambda o: replace(o, sound=()), "should hold"),
        (lambda o: replace(o, sound=(replace(o.sound[0], codec="mp3"),)), "should hold"),
        (lambda o: replace(o, sound=(Sound("aac", None, Fraction(1, 4), o.sound[0].end),)), "begins"),
        (lambda o: replace(o, sound=(replace(o.sound[0], end=o.sound[0].end + 1),)), "ends"),
        (lambda o: replace(o, encoder="libx264", sound=()), "should hold"),
    ],
)
def test_what_differs_from_the_plan_is_rejected(tmp_path: Path, change: Change, reason: str) -> None:
    outcome = cut(tmp_path)
    with pytest.raises(Rejected, match=reason):
        verify(change(outcome))


def test_a_truncated_clip_is_rejected(tmp_path: Path) -> None:
    outcome = cut(tmp_path)
    whole = outcome.path.read_bytes()
    for share in (0.0001, 0.3, 0.9, 0.999):
        outcome.path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(Rejected):
            verify(outcome)


def test_a_clip_with_its_index_behind_is_rejected(tmp_path: Path) -> None:
    outcome = cut(tmp_path)
    behind = tmp_path / "behind.mp4"
    shutil.copy(make(), behind)  # as ffmpeg leaves it
    with pytest.raises(Rejected, match="behind"):
        verify(replace(outcome, path=behind))


def test_damaged_pictures_are_rejected(tmp_path: Path) -> None:
    outcome = cut(tmp_path)
    data = bytearray(outcome.path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin + 2000 : begin + 9000] = bytes(7000)
    outcome.path.write_bytes(data)
    with pytest.raises(Rejected):
        verify(outcome)


def test_the_index_tells_the_same_times_as_the_packets(tmp_path: Path) -> None:
    outcome = cut(tmp_path)
    by_index = timings_of_boxes(outcome.path)
    with open_source(outcome.path) as clip:
        by_packets = timings_of_packets(clip)
    for index, packets in zip(by_index, by_packets, strict=True):
        assert index.tick == packets.tick
        assert index.shown == packets.shown
        assert index.ordered
