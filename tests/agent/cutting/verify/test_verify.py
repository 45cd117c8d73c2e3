"""A clip that differs from its plan never leaves the engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import Engine, EngineSettings
from agent.cutting.plan.outcome import AudioTrack, Outcome
from agent.cutting.plan.plan import plan_cut
from agent.cutting.plan.spec import CutSpec
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.probe import probe
from agent.cutting.reading.source import open_path, open_source
from agent.cutting.verify.decodes import Rejected
from agent.cutting.verify.timing import timings_of_boxes, timings_of_packets
from agent.cutting.verify.verify import verify
from agent.cutting.writing.packet_cut import PacketCut
from agent.cutting.writing.stream_copy import copy
from clipping.errors import CutVerificationFailed
from tests.support.media import Recording, make

SHORT = Recording()
LONG = Recording(seconds=26, filters="scale=640:400,format=yuv420p")
"""Of more pixels than are decoded in any case."""


def cut(folder: Path, recording: Recording = SHORT) -> Outcome:
    source = make(recording)
    spec = CutSpec(source, Fraction("3.3"), Fraction(recording.seconds) - 5, "copy", "high")
    plan = plan_cut(probe(source), spec, "copy")
    with open_path(source) as file, open_source(file) as container:
        target, damage = folder / "clip.part", Damage(Fraction(0))
        return copy(PacketCut(container, plan, target, 128_000, lambda _: None, damage))


def test_a_good_clip_passes(tmp_path: Path) -> None:
    facts = verify(cut(tmp_path))
    assert (facts.width, facts.height) == (320, 200)
    assert facts.fps == pytest.approx(25)


def test_what_lies_between_the_ends_is_only_looked_at_when_all_is_to_be(tmp_path: Path) -> None:
    outcome = cut(tmp_path, LONG)
    damage_the_middle(outcome.path)
    verify(outcome)
    with pytest.raises(Rejected):
        verify(outcome, extent="full")


def test_the_progress_of_a_full_verification_is_reported(tmp_path: Path) -> None:
    reported: list[float] = []
    verify(cut(tmp_path, LONG), extent="full", progress=reported.append)
    assert reported == sorted(reported)
    assert len(set(reported)) > 100
    assert reported[0] < 0.05
    assert reported[-1] > 0.95


@pytest.mark.slow
def test_an_engine_that_is_to_look_at_everything_does(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    shutil.copy(make(LONG), damaged)
    damage_the_middle(damaged)
    engine = Engine(EngineSettings(verify="full"))
    engine.start()
    try:
        spec = CutSpec(damaged, Fraction("3.3"), Fraction(LONG.seconds - 5), "copy", "high")
        with pytest.raises(CutVerificationFailed, match="copy: it can't be read back"):
            engine.cut(spec, tmp_path, progress=lambda *_: None)
    finally:
        engine.close()


def damage_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(data)


Change = Callable[[Outcome], Outcome]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda o: replace(o, frames=o.frames + 1), "frames"),
        (lambda o: replace(o, last=o.last + 1), "last frame"),
        (lambda o: replace(o, audio=()), "should hold"),
        (lambda o: replace(o, audio=(replace(o.audio[0], codec="mp3"),)), "should hold"),
        (lambda o: replace(o, audio=(AudioTrack("aac", None, Fraction(1, 4), o.audio[0].end),)), "begins"),
        (lambda o: replace(o, audio=(replace(o.audio[0], end=o.audio[0].end + 1),)), "ends"),
        (lambda o: replace(o, encoder="libx264", audio=()), "should hold"),
        (lambda o: replace(o, end=o.end + Fraction(1, 10)), "long, not"),
        (lambda o: replace(o, plan=replace(o.plan, stop=o.plan.stop - 1)), "were requested"),
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


def test_a_clip_with_its_index_at_the_end_is_rejected(tmp_path: Path) -> None:
    outcome = cut(tmp_path)
    behind = tmp_path / "behind.mp4"
    shutil.copy(make(), behind)  # as ffmpeg leaves it
    with pytest.raises(Rejected, match="behind"):
        verify(replace(outcome, path=behind))


def test_damaged_frames_are_rejected(tmp_path: Path) -> None:
    outcome = cut(tmp_path)
    data = bytearray(outcome.path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin + 2000 : begin + 9000] = bytes(7000)
    outcome.path.write_bytes(data)
    with pytest.raises(Rejected):
        verify(outcome)


def test_the_index_has_the_same_times_as_the_packets(tmp_path: Path) -> None:
    outcome = cut(tmp_path)
    by_index = timings_of_boxes(outcome.path)
    with open_path(outcome.path) as file, open_source(file) as clip:
        by_packets = timings_of_packets(clip)
    for index, packets in zip(by_index, by_packets, strict=True):
        assert index.tick == packets.tick
        assert index.shown == packets.shown
        assert index.ordered
