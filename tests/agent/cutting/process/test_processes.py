"""Cuts run in processes that end when they must, after every kind of failure."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from agent.cutting import CutSpec, Engine, EngineSettings, Interruption, Reason
from agent.cutting.process.client import ForkServer
from agent.cutting.process.context import Context
from agent.cutting.process.protocol import Done, Failed
from agent.cutting.reading.source import open_path
from agent.cutting.supervised import Supervised
from clipping.contract.choices import Mode, Stage
from clipping.errors import Cancelled, EncoderFailed, SourceUnavailable, TimeLimit
from tests.agent.cutting.process.cuts import (
    PATIENCE,
    Cutting,
    group_of,
    is_alive,
    processes,
    server_pid,
    wait_for,
)
from tests.support.media import Recording, make
from tests.support.waiting import eventually

MEMORY = 1 << 30
"""Bytes."""


@pytest.fixture
def impatient() -> Iterator[Engine]:
    engine = Engine(EngineSettings(stall_seconds=2))
    engine.start()
    yield engine
    engine.close()


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_progress_never_decreases_and_is_in_order(engine: Engine, spool: Path, mode: Mode) -> None:
    cutting = Cutting(engine, make(), spool, mode, end=11)
    cutting.join(PATIENCE)
    assert cutting.clip is not None
    percents = [percent for _, percent in cutting.reported]
    assert percents == sorted(percents)
    assert 0 <= percents[0] <= percents[-1] <= 100
    stages = list(dict.fromkeys(stage for stage, _ in cutting.reported))
    assert stages == ["probing", "cutting", "verifying"]


def test_a_cancelled_encode_ends_within_two_seconds(
    engine: Engine, long_recording: Path, spool: Path
) -> None:
    cutting = Cutting(engine, long_recording, spool, "encode")
    assert cutting.under_way.wait(PATIENCE)
    (ffmpeg,) = processes(str(spool))
    asked = time.monotonic()
    cutting.interruption.set(Reason.CANCELLED)
    cutting.join(PATIENCE)
    assert time.monotonic() - asked < 2
    assert isinstance(cutting.error, Cancelled)
    assert list(spool.iterdir()) == []
    assert wait_for(lambda: not Path(f"/proc/{ffmpeg}").exists())


@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_a_cancelled_cut_ends_within_two_seconds(
    engine: Engine, long_recording: Path, spool: Path, mode: Mode
) -> None:
    interruption = Interruption()
    asked: list[float] = []

    def cancel(stage: Stage, percent: float) -> None:
        if stage == "cutting" and not asked:
            asked.append(time.monotonic())
            interruption.set(Reason.CANCELLED)

    spec = CutSpec(long_recording, Fraction("1.01"), Fraction(590), mode, "high")
    with pytest.raises(Cancelled):
        engine.cut(spec, spool, progress=cancel, interruption=interruption)
    assert time.monotonic() - asked[0] < 10  # alone well under 2 s
    assert list(spool.iterdir()) == []


def test_progress_is_reported_every_second_though_nothing_moves(
    engine: Engine, long_recording: Path, spool: Path
) -> None:
    cutting = Cutting(engine, long_recording, spool, "encode")
    assert cutting.under_way.wait(PATIENCE)
    (ffmpeg,) = processes(str(spool))
    os.kill(ffmpeg, signal.SIGSTOP)
    try:
        assert wait_for(lambda: len(set(cutting.reported[-3:])) == 1)  # what was on its way has arrived
        reported, frozen = len(cutting.reported), time.monotonic()
        assert wait_for(lambda: len(cutting.reported) >= reported + 4)
        assert time.monotonic() - frozen < 12  # alone it takes 4 s at most
        assert len(set(cutting.reported[reported:])) == 1
    finally:
        os.kill(ffmpeg, signal.SIGCONT)
        cutting.interruption.set(Reason.CANCELLED)
        cutting.join(PATIENCE)


def test_the_time_limit_ends_a_cut(long_recording: Path, spool: Path) -> None:
    engine = Engine(EngineSettings(time_limit_seconds=1))
    engine.start()
    try:
        cutting = Cutting(engine, long_recording, spool, "encode")
        cutting.join(PATIENCE)
    finally:
        engine.close()
    assert isinstance(cutting.error, TimeLimit)
    assert list(spool.iterdir()) == []


@pytest.mark.slow
def test_a_frozen_ffmpeg_is_ended(impatient: Engine, long_recording: Path, spool: Path) -> None:
    cutting = Cutting(impatient, long_recording, spool, "encode")
    assert cutting.under_way.wait(PATIENCE)
    (ffmpeg,) = processes(str(spool))
    os.kill(ffmpeg, signal.SIGSTOP)
    cutting.join(PATIENCE)
    assert isinstance(cutting.error, EncoderFailed)
    assert wait_for(lambda: not Path(f"/proc/{ffmpeg}").exists())
    assert list(spool.iterdir()) == []


@pytest.mark.slow
def test_a_frozen_cutting_process_is_ended(impatient: Engine, long_recording: Path, spool: Path) -> None:
    cutting = Cutting(impatient, long_recording, spool, "encode")
    assert cutting.under_way.wait(PATIENCE)
    (ffmpeg,) = processes(str(spool))
    group = os.getpgid(ffmpeg)
    os.killpg(group, signal.SIGSTOP)
    cutting.join(PATIENCE)
    assert isinstance(cutting.error, EncoderFailed | SourceUnavailable)
    assert wait_for(lambda: not group_of(group))
    assert list(spool.iterdir()) == []


def test_a_killed_cutting_process_is_a_clear_error_and_takes_its_ffmpeg_along(
    engine: Engine, long_recording: Path, spool: Path
) -> None:
    cutting = Cutting(engine, long_recording, spool, "encode")
    assert cutting.under_way.wait(PATIENCE)
    (ffmpeg,) = processes(str(spool))
    os.kill(os.getpgid(ffmpeg), signal.SIGKILL)  # the group's leader is the cutting process
    cutting.join(PATIENCE)
    assert isinstance(cutting.error, EncoderFailed)
    assert "signal 9" in cutting.error.message
    assert wait_for(lambda: not Path(f"/proc/{ffmpeg}").exists())
    assert list(spool.iterdir()) == []


def test_a_killed_fork_server_is_replaced(spool: Path) -> None:
    engine = Engine(EngineSettings())
    engine.start()
    try:
        server = server_pid()
        os.kill(server, signal.SIGKILL)
        assert wait_for(lambda: not is_alive(server))
        cutting = Cutting(engine, make(), spool, "copy", end=3)
        cutting.join(PATIENCE)
        assert cutting.clip is not None
    finally:
        engine.close()


def test_a_cut_whose_fork_server_dies_before_it_began_is_made_by_the_next_one(spool: Path) -> None:
    engine = Engine(EngineSettings())
    engine.start()
    try:
        server = server_pid()
        os.kill(server, signal.SIGSTOP)
        cutting = Cutting(engine, make(), spool, "copy", end=3)
        time.sleep(0.5)  # the order waits in the server's socket
        os.kill(server, signal.SIGKILL)
        cutting.join(PATIENCE)
        assert (cutting.error, cutting.clip is not None) == (None, True)
        for _ in range(5):  # dying, but not yet found dead
            os.kill(server_pid(), signal.SIGKILL)
            cutting = Cutting(engine, make(), spool, "copy", end=3)
            cutting.join(PATIENCE)
            assert (cutting.error, cutting.clip is not None) == (None, True)
    finally:
        engine.close()


def hungry(context: Context, size: int) -> int:
    """A job that asks for so many bytes, which are never touched."""
    return len(np.zeros(size, np.uint8))


def test_a_job_that_needs_too_much_memory_ends_with_an_error() -> None:
    server = ForkServer(preload=__name__, memory=MEMORY)
    server.start()
    try:
        answers = []
        for size in (1_000_000, MEMORY):
            with closing(server.run(f"{__name__}:hungry", size)) as job:
                answers.append(eventually(lambda: next(job.messages(1), None), within=PATIENCE))
    finally:
        server.close()
    assert isinstance(answers[0], Done)
    assert isinstance(answers[1], Failed)
    assert isinstance(answers[1].error, EncoderFailed)
    assert "memory" in answers[1].error.message


def computing(context: Context, descriptor: int, seconds: float) -> str:
    """A job that computes and does nothing else."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "computed"


def sleeping(context: Context, descriptor: int, seconds: float) -> str:
    """A stalled job."""
    time.sleep(seconds)
    return "slept"


@pytest.mark.slow
def test_a_computing_job_is_not_stalled() -> None:
    server, settings = ForkServer(preload=__name__), EngineSettings(stall_seconds=2)
    server.start()
    try:
        with open_path(make()) as source:
            for function, seconds in ((computing, 5), (sleeping, 50)):
                name = f"{__name__}:{function.__name__}"
                job = Supervised(server, settings, source, lambda *_: None, Interruption())
                if function is computing:
                    assert job.result(PATIENCE, name, seconds) == "computed"
                else:
                    with pytest.raises(EncoderFailed, match="made no progress"):
                        job.result(PATIENCE, name, seconds)
    finally:
        server.close()


def test_many_cuts_at_once(engine: Engine, tmp_path: Path) -> None:
    sources = [make(Recording(extension)) for extension in ("mp4", "mkv", "ts")]
    cuts = []
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        cuts.append(Cutting(engine, sources[number % 3], folder, "copy", end=9))
    for cutting in cuts:
        cutting.join(PATIENCE)
    assert all(cutting.clip is not None for cutting in cuts)


def test_a_warm_start_costs_milliseconds(engine: Engine) -> None:
    source = make()
    engine.probe(source)
    spent = []
    for _ in range(20):
        begun = time.perf_counter()
        engine.probe(source)
        spent.append(time.perf_counter() - begun)
    assert sorted(spent)[10] < 0.25  # alone some 10 ms; a cold start takes half a second
