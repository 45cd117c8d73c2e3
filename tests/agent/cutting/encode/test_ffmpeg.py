"""Running ffmpeg: its progress, its errors and its limits."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest

from agent.cutting import Engine, EngineSettings, find_ffmpeg
from agent.cutting.encode.ffmpeg import Limits, run
from agent.cutting.encode.ffmpeg_errors import failure
from clipping.errors import (
    EncoderFailed,
    EngineUnavailable,
    NoSpace,
    SourceCorrupt,
    SourceUnavailable,
    TooLarge,
)
from tests.agent.cutting.process.cuts import Cutting, make_long, processes
from tests.support.media import Recording, make
from tests.support.waiting import eventually

PATIENCE = 60
PROGRAMS = {"found": find_ffmpeg(None), "bundled": Path(imageio_ffmpeg.get_ffmpeg_exe())}
FREE = Limits(file_bytes=1 << 40, memory_bytes=None)
REPORTING = ("-nostdin", "-v", "error", "-progress", "pipe:1", "-stats_period", "0.5")


class Pipe:
    """A recording that arrives as the test lets it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "recording.ts"
        os.mkfifo(self.path)
        self.data = make(Recording("ts", seconds=40)).read_bytes()
        self.given = 0
        self._file: int | None = None

    def give(self, count: int) -> None:
        """Let ffmpeg have the next `count` bytes."""
        if self._file is None:
            self._file = os.open(self.path, os.O_WRONLY)
        os.write(self._file, self.data[self.given : self.given + count])
        self.given += count

    def end(self) -> None:
        """No more comes."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Running:
    """A run in a separate thread, and the progress that it reported."""

    def __init__(self, command: list[str], seconds: float, limits: Limits = FREE) -> None:
        self.reported: list[float] = []
        self.pid: int | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(
            target=self._run, args=(command, seconds, limits), name="test-ffmpeg", daemon=True
        )
        self._thread.start()

    def _run(self, command: list[str], seconds: float, limits: Limits) -> None:
        try:
            run(command, seconds=seconds, limits=limits, progress=self.reported.append, started=self._started)
        except EncoderFailed as error:
            self.error = error

    def _started(self, pid: int | None) -> None:
        self.pid = pid if pid is not None else self.pid

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path)
    yield pipe
    pipe.end()


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_an_ffmpeg_that_waits_for_its_input_reports_nothing(program: Path, pipe: Pipe) -> None:
    # From version 7 on it prints its progress also while it waits: that must not count as progress.
    command = [
        str(program),
        *REPORTING,
        "-f",
        "mpegts",
        "-i",
        str(pipe.path),
        "-c",
        "copy",
        "-f",
        "null",
        "-",
    ]
    running = Running(command, seconds=40)
    pipe.give(60_000)
    deadline = time.monotonic() + PATIENCE
    still_since, count = time.monotonic(), len(running.reported)
    while time.monotonic() - still_since < 3:
        assert time.monotonic() < deadline, "it still reports progress without input"
        time.sleep(0.1)
        if len(running.reported) != count:
            still_since, count = time.monotonic(), len(running.reported)
    pipe.give(len(pipe.data))
    pipe.end()
    running.join()
    assert running.error is None
    assert running.reported == sorted(running.reported)
    assert running.reported[-1] == 1


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_an_ffmpeg_that_only_reads_is_reported_as_progressing(program: Path, pipe: Pipe) -> None:
    # It reads its way to a range that never comes: there is nothing that it could print.
    command = [
        str(program),
        *REPORTING,
        "-f",
        "mpegts",
        "-i",
        str(pipe.path),
        "-ss",
        "1000",
        "-f",
        "null",
        "-",
    ]
    running = Running(command, seconds=40)

    def has_moved() -> bool:
        if pipe.given < len(pipe.data) * 3 // 4:
            pipe.give(2000)
        time.sleep(0.1)
        return len(set(running.reported)) >= 3

    eventually(has_moved, "a move", within=PATIENCE)
    assert running.reported == sorted(running.reported)
    assert 0 < running.reported[-1] <= 0.03
    pipe.end()
    running.join()


def test_when_memory_runs_out_ffmpeg_is_ended_and_not_the_daemon(pipe: Pipe) -> None:
    command = [str(PROGRAMS["found"]), *REPORTING, "-f", "mpegts", "-i", str(pipe.path), "-f", "null", "-"]
    running = Running(command, seconds=40)
    pipe.give(2000)
    eventually(lambda: running.pid is not None, "its start")
    score = Path(f"/proc/{running.pid}/oom_score_adj")
    eventually(lambda: int(score.read_text()) >= 700, "its score")
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 700
    pipe.end()
    running.join()


def start_failure(*command: str) -> Exception:
    """The error of a command that can't be started."""
    with pytest.raises(EncoderFailed) as raised:
        run(command, seconds=1, limits=FREE, progress=lambda _: None, started=lambda _: None)
    assert "can't be run" in str(raised.value)
    return raised.value


def test_a_command_that_no_machine_can_run_fails_its_request_after_a_few_attempts() -> None:
    too_long = start_failure(str(PROGRAMS["found"]), "x" * (1 << 20))
    assert type(too_long) is EncoderFailed
    assert type(start_failure("f" * 300)) is EncoderFailed


def test_a_missing_ffmpeg_is_waited_for(tmp_path: Path) -> None:
    no_program = tmp_path / "ffmpeg"
    assert type(start_failure(str(no_program))) is EngineUnavailable
    no_program.write_text("#!/bin/sh\n")
    assert type(start_failure(str(no_program))) is EngineUnavailable  # not executable


def test_a_file_that_grows_beyond_its_limit_ends_the_run(tmp_path: Path) -> None:
    target = tmp_path / "clip.part"
    source = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-t", "10"]
    command = [str(PROGRAMS["found"]), *REPORTING, *source, "-f", "rawvideo", str(target)]
    running = Running(command, 10, Limits(file_bytes=1_000_000, memory_bytes=None))
    running.join()
    assert running.error is not None
    assert "wrote more than 1000000 bytes" in str(running.error)
    assert target.stat().st_size <= 1_000_000


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_run_that_wants_too_much_memory_fails(program: Path) -> None:
    source = ["-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=25", "-frames:v", "50"]
    command = [str(program), *REPORTING, *source, "-c:v", "libx264", "-preset", "slow", "-f", "null", "-"]
    running = Running(command, 2, Limits(file_bytes=1 << 40, memory_bytes=300_000_000))
    running.join()
    assert running.error is not None
    assert "memory" in str(running.error)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_an_ffmpeg_that_would_hang_without_memory_is_ended(program: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    frames = ["-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=25", "-frames:v", "25"]
    coding = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]
    subprocess.run([str(program), "-v", "error", *frames, *coding, str(large)], check=True, timeout=PATIENCE)
    command = [str(program), *REPORTING, "-i", str(large), "-c:v", "libx264", "-f", "null", "-"]
    running = Running(command, 1, Limits(file_bytes=1 << 40, memory_bytes=100_000_000))
    running.join()
    assert isinstance(running.error, EncoderFailed)
    assert "memory" in str(running.error)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (["[in#0] Error opening input: Invalid data found when processing input"], SourceCorrupt),
        (["[dec:h264] Decode error rate 0.8 exceeds maximum 0.666667"], SourceCorrupt),
        (["[dec:aac] Decode error rate 0.9 exceeds maximum", "Error while opening encoder"], SourceCorrupt),
        (["x264 [error]: malloc failed", "streams received no packets"], EncoderFailed),
        (["Error while opening encoder for output stream"], EncoderFailed),
        (["[out#0] No space left on device"], NoSpace),
        (["file:/a.ts: Input/output error"], SourceUnavailable),
        (["Picture size 16000x16000 exceeds specified max pixel count 1000", "Decode error rate"], TooLarge),
        ([], EncoderFailed),
    ],
)
def test_what_ffmpeg_says_decides_whose_fault_it_is(said: list[str], kind: type[Exception]) -> None:
    assert isinstance(failure(1, said), kind)


@pytest.mark.slow
def test_a_frozen_encode_of_the_bundled_ffmpeg_is_ended_and_was_polite(tmp_path: Path) -> None:
    engine = Engine(EngineSettings(ffmpeg=PROGRAMS["bundled"], stall_seconds=2))
    engine.start()
    try:
        cutting = Cutting(engine, make_long(), tmp_path, "encode")
        assert cutting.under_way.wait(PATIENCE)
        (ffmpeg,) = processes(str(tmp_path))
        assert os.getpriority(os.PRIO_PROCESS, ffmpeg) >= 10, "copies go first"
        os.kill(ffmpeg, signal.SIGSTOP)
        cutting.join(PATIENCE)
    finally:
        engine.close()
    assert isinstance(cutting.error, EncoderFailed)
    assert "made no progress" in cutting.error.message
    assert list(tmp_path.iterdir()) == []
