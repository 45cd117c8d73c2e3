"""A cut with effects, which runs two ffmpegs, ends as other cuts do after every kind of failure."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from agent.cutting import Engine, EngineSettings, Reason
from clipping.contract.effects import Effects
from clipping.errors import Cancelled, EncoderFailed, ProcessDied
from tests.agent.cutting.process.cuts import PATIENCE, Cutting, group_of, processes, wait_for

pytestmark = pytest.mark.slow

KEY = {"x": 100.0, "y": 100.0, "radiusX": 30.0, "radiusY": 30.0}
REGION = {"start_time": 0.0, "end_time": 900.0, "keyframes": [{"time": 900.0, **KEY}]}
EFFECTS = Effects.model_validate(
    {
        "overlay": {"effect_type": "original", "regions": [REGION]},
        "title": {"name": "All in", "rating": 5},
        "segments": [{"start": 1.0, "end": 90.0, "speed": 0.5}],
    }
)


class Effected(Cutting):
    """A cut with effects, and its processes."""

    def __init__(self, engine: Engine, source: Path, folder: Path) -> None:
        super().__init__(engine, source, folder, "encode", effects=EFFECTS)
        assert self.under_way.wait(PATIENCE)
        assert wait_for(lambda: len(self.writers()) == 1)
        (self.encoder,) = self.writers()
        self.group = os.getpgid(self.encoder)
        members = {pid for pid in group_of(self.group) if b"ffmpeg" in command(pid)}
        (self.decoder,) = members - {self.encoder}

    def writers(self) -> list[int]:
        return [pid for pid in processes(f"{self._folder}/") if b"libx264" in command(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("victim", ["decoder", "encoder", "group"])
def test_killed_processes_are_a_clear_error_and_nothing_is_left(
    engine: Engine, long_recording: Path, spool: Path, victim: str
) -> None:
    cutting = Effected(engine, long_recording, spool)
    os.kill(getattr(cutting, victim), signal.SIGKILL)  # the group's leader is the cutting process
    cutting.join(PATIENCE)
    assert isinstance(cutting.error, ProcessDied)
    assert "signal 9" in cutting.error.message
    assert wait_for(lambda: not group_of(cutting.group))
    assert list(spool.iterdir()) == []


def test_a_cancelled_cut_with_effects_ends_within_two_seconds(
    engine: Engine, long_recording: Path, spool: Path
) -> None:
    cutting = Effected(engine, long_recording, spool)
    asked = time.monotonic()
    cutting.interruption.set(Reason.CANCELLED)
    cutting.join(PATIENCE)
    assert time.monotonic() - asked < 2
    assert isinstance(cutting.error, Cancelled)
    assert wait_for(lambda: not group_of(cutting.group))
    assert list(spool.iterdir()) == []
    percents = [percent for _, percent in cutting.reported]
    assert percents == sorted(percents)


@pytest.mark.parametrize("victim", ["decoder", "encoder"])
def test_a_frozen_ffmpeg_of_a_cut_with_effects_is_ended(
    long_recording: Path, spool: Path, victim: str
) -> None:
    engine = Engine(EngineSettings(stall_seconds=2))
    engine.start()
    try:
        cutting = Effected(engine, long_recording, spool)
        os.kill(getattr(cutting, victim), signal.SIGSTOP)
        cutting.join(PATIENCE)
    finally:
        engine.close()
    assert isinstance(cutting.error, EncoderFailed)
    assert "made no progress" in cutting.error.message
    assert wait_for(lambda: not group_of(cutting.group))
    assert list(spool.iterdir()) == []
