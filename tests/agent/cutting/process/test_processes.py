"""Cuts run in processes that end when they must, after every kind of failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, Interruption, Reason
from agent.cutting.engine import _Supervised
from agent.cutting.process.client import ForkServer
from agent.cutting.process.context import Context
from agent.cutting.process.protocol import Done, Failed
from agent.cutting.reading.source import open_path
from clipping.contract.messages import Mode, Stage
from clipping.errors import Cancelled, ClippingError, EncoderFailed, NoSpace, SourceUnavailable, TimeLimit
from tests.support.media import Recording, make
from tests.support.waiting import eventually

LONG = Recording("mkv", seconds=600, gop=250, video=("-c:v", "mpeg2video", "-qscale:v", "2", "-g", "250"))
"""Takes many seconds to encode."""
PATIENCE = 60
MEMORY = 1 << 30
"""Bytes."""


class Cutting(threading.Thread):
    """A cut in a thread of its own, as the daemon does it."""

    def __init__(self, engine: Engine, source: Path, folder: Path, mode: Mode, end: int = 500) -> None:
        super().__init__(name="cutting", daemon=True)
        self._engine = engine
        self._spec = CutSpec(source, Fraction(1), Fraction(end), mode, "high")
        self._folder = folder
        self.interruption = Interruption()
        self.under_way = threading.Event()
        self.reported: list[tuple[Stage, float]] = []
        self.clip: Clip | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.clip = self._engine.cut(
                self._spec, self._folder, progress=self._report, interruption=self.interruption
            )
        except ClippingError as error:
            self.error = error

    def _report(self, stage: Stage, percent: float) -> None:
        self.reported.append((stage, percent))
        if stage == "cutting" and percent > 4:
            self.under_way.set()


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def processes(word: str) -> list[int]:
    """The processes with `word` in their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if word.encode() in command and state != "Z":
                found.append(int(entry.name))
    return found


def group_of(pid: int) -> list[int]:
    """The live processes of a process group."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == pid and fields[0] != "Z":
                members.append(int(entry.name))
    return members


@pytest.fixture(scope="module")
def long_recording() -> Path:
    return make(LONG)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


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
        server = _server()
        os.kill(server, signal.SIGKILL)
        assert wait_for(lambda: not processes_alive(server))
        cutting = Cutting(engine, make(), spool, "copy", end=3)
        cutting.join(PATIENCE)
        assert cutting.clip is not None
    finally:
        engine.close()


def test_a_cut_whose_fork_server_dies_before_it_began_is_made_by_the_next_one(spool: Path) -> None:
    engine = Engine(EngineSettings())
    engine.start()
    try:
        server = _server()
        os.kill(server, signal.SIGSTOP)
        cutting = Cutting(engine, make(), spool, "copy", end=3)
        time.sleep(0.5)  # the order waits in the server's socket
        os.kill(server, signal.SIGKILL)
        cutting.join(PATIENCE)
        assert (cutting.error, cutting.clip is not None) == (None, True)
        for _ in range(5):  # dying, but not yet found dead
            os.kill(_server(), signal.SIGKILL)
            cutting = Cutting(engine, make(), spool, "copy", end=3)
            cutting.join(PATIENCE)
            assert (cutting.error, cutting.clip is not None) == (None, True)
    finally:
        engine.close()


def _server() -> int:
    """The fork server of this process that was started last."""
    return [pid for pid in processes("process.server") if _parent(pid) == os.getpid()][-1]


def processes_alive(pid: int) -> bool:
    try:
        return (Path(f"/proc/{pid}") / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


DAEMON = """
import sys
from fractions import Fraction
from pathlib import Path
from agent.cutting import CutSpec, Engine, EngineSettings

source, folder, mode, end = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Fraction(sys.argv[4])
engine = Engine(EngineSettings())
engine.start()
if len(sys.argv) > 5:
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
spec = CutSpec(source, Fraction(1), end, mode, "high")
try:
    clip = engine.cut(spec, folder, progress=lambda *p: print(*p, flush=True))
    print("done", clip.report.frames, flush=True)
except Exception as error:
    print("failed", type(error).__name__, error, flush=True)
engine.close()
"""


def daemon(source: Path, folder: Path, mode: str, end: int, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(source), str(folder), mode, str(end), *more],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ffmpeg_at(spool: Path) -> int:
    """The ffmpeg that works in `spool`. A process that was forked and is not yet its own shows its parent's
    command line, so that counting would not do."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid in processes(str(spool)) if _program(pid).startswith("ffmpeg")]
        return len(found) == 1

    assert wait_for(look)
    return found[0]


def _program(pid: int) -> str:
    try:
        return Path(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()).name
    except OSError:
        return ""


def test_kill_9_of_the_daemon_leaves_no_process(long_recording: Path, spool: Path) -> None:
    process = daemon(long_recording, spool, "encode", 500)
    ffmpeg = ffmpeg_at(spool)
    group = os.getpgid(ffmpeg)
    server = _parent(group)
    process.kill()
    assert wait_for(lambda: not group_of(group) and not processes_alive(server))
    process.communicate(timeout=PATIENCE)


def test_a_frozen_cutting_process_too_dies_with_the_daemon(long_recording: Path, spool: Path) -> None:
    process = daemon(long_recording, spool, "encode", 500)
    ffmpeg = ffmpeg_at(spool)
    group = os.getpgid(ffmpeg)
    os.killpg(group, signal.SIGSTOP)
    process.kill()
    assert wait_for(lambda: not group_of(group))
    process.communicate(timeout=PATIENCE)


def test_ctrl_c_does_not_end_a_cut_in_flight(spool: Path) -> None:
    process = daemon(make(), spool, "encode", 11, "ignore")
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("cutting"):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
            break
    rest, _ = process.communicate(timeout=PATIENCE)
    assert rest.splitlines()[-1] == "done 250"


def test_a_full_disk_is_reported_as_such_and_leaves_nothing(spool: Path) -> None:
    # The kernel refuses growth above the limit as a full disk does: there is no filling one without root.
    script = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n" + DAEMON
    for mode in ("copy", "smart", "encode"):
        answer = subprocess.run(
            [sys.executable, "-c", script, str(make()), str(spool), mode, "11"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert answer.stdout.splitlines()[-1].startswith(f"failed {NoSpace.__name__}")
        assert list(spool.iterdir()) == []


def hungry(context: Context, size: int) -> int:
    """A job that asks for so many bytes, which are never touched."""
    return len(np.zeros(size, np.uint8))


def test_a_job_that_needs_too_much_memory_ends_with_an_error() -> None:
    server = ForkServer(preload=__name__, memory=MEMORY)
    server.start()
    try:
        answers = []
        for size in (1_000_000, MEMORY):
            with closing(server.run(hungry, size)) as job:
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
                job = _Supervised(server, settings, source, lambda *_: None, Interruption())
                if function is computing:
                    assert job.result(PATIENCE, function, seconds) == "computed"
                else:
                    with pytest.raises(EncoderFailed, match="made no progress"):
                        job.result(PATIENCE, function, seconds)
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
