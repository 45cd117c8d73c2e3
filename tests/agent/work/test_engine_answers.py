"""A hung engine is distinguished from a working one, in bounded time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from agent.cutting import Engine, EngineSettings
from clipping.errors import EncoderFailed
from tests.support.procs import children_of
from tests.support.waiting import eventually


def test_it_answers_hangs_and_answers_again() -> None:
    before = set(children_of(os.getpid()))
    engine = Engine(EngineSettings())
    engine.start()
    try:
        assert engine.answers(60)
        eventually(lambda: engine.encoders, "the trials of the encoders, which are children too")
        (server,) = set(children_of(os.getpid())) - before
        os.kill(server, signal.SIGSTOP)
        begun = time.monotonic()
        assert not engine.answers(0.5)
        assert time.monotonic() - begun < 10
        os.kill(server, signal.SIGCONT)
        assert engine.answers(60)
    finally:
        engine.close()


def test_a_missing_ffmpeg_is_reported(tmp_path: Path) -> None:
    with pytest.raises(EncoderFailed, match=r"agent\.ffmpeg"):
        Engine(EngineSettings(ffmpeg=tmp_path / "none")).answers(1)
