"""Two ffmpegs with effects between them: what fails is named, and nothing is left running."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import find_ffmpeg
from agent.cutting.encode.ffmpeg import Limits
from agent.cutting.encode.pipeline import run_with_effects
from agent.cutting.reading.source import open_path
from clipping.contract.effects import Effects
from clipping.errors import ClippingError, EncoderFailed, ProcessDied, SourceCorrupt
from tests.agent.cutting.process.cuts import processes
from tests.support.media import make

FREE = Limits(file_bytes=1 << 40, memory_bytes=None)
FFMPEG = str(find_ffmpeg(None))
EFFECTS = Effects.model_validate(
    {
        "framing": {
            "keyframes": [
                {"time": at, "x": x, "y": 0.0, "width": 60.0, "height": 106.0}
                for at, x in ((0, 0.0), (4, 200.0))
            ],
            "target_width": 90,
            "target_height": 160,
        }
    }
)
RAW = ("-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-f", "nut", "pipe:1")
ENDLESS = ("-f", "lavfi", "-i", "testsrc2=size=320x200:rate=25")
CODING = ("-c:v", "libx264", "-preset", "ultrafast", "-fps_mode", "passthrough")


def decoder(*source: str) -> list[str]:
    return [FFMPEG, "-nostdin", "-v", "error", *source, *RAW]


class Run:
    """One run, in this thread."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.reported: list[float] = []
        self.started: list[int | None] = []
        self.when: Callable[[], None] = lambda: None
        """Called with each report of progress."""

    def __call__(
        self,
        decode: list[str],
        *options: str,
        seconds: float = 4,
        limits: Limits = FREE,
        decoding: Limits = FREE,
    ) -> bool:
        reporting = ("-nostdin", "-v", "error", "-progress", "pipe:1", "-stats_period", "0.1", "-y")
        encode = [FFMPEG, *reporting, "-f", "nut", "-i", "pipe:0", *(options or CODING), str(self.target)]
        with open_path(make()) as source:
            return run_with_effects(
                encode,
                decode,
                EFFECTS,
                rate=Fraction(25),
                begin=Fraction(0),
                source=source,
                seconds=seconds,
                limits=limits,
                decoding=decoding,
                progress=self._progress,
                started=self.started.append,
            )

    def error(self, decode: list[str], *options: str, **over: object) -> ClippingError:
        with pytest.raises(ClippingError) as raised:
            self(decode, *options, **over)  # type: ignore[arg-type]
        return raised.value

    def child(self, word: str) -> int:
        """The process with `word` in its command line."""
        (pid,) = (pid for pid in processes(word) if os.getppid() != pid)
        return pid

    def _progress(self, share: float) -> None:
        self.reported.append(share)
        self.when()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "made.mp4")


@pytest.fixture(autouse=True)
def _nothing_left(run: Run) -> object:
    threads = set(threading.enumerate())
    files = set(os.listdir("/proc/self/fd"))
    yield
    assert processes(str(run.target)) == []
    assert set(threading.enumerate()) <= threads
    assert len(set(os.listdir("/proc/self/fd")) - files) == 0
    assert run.started == [] or run.started[-1] is None


def test_all_frames_come_through_and_progress_never_goes_back(run: Run) -> None:
    assert run(decoder(*ENDLESS, "-t", "4")) is False
    with av.open(str(run.target)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, sum(1 for _ in container.decode(video))) == (90, 160, 100)
    assert run.reported == sorted(run.reported)
    assert run.reported[-1] == 1


def test_a_decoder_that_fails_at_once_says_why(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(bytes(1000))
    error = run.error(decoder("-f", "mov", "-i", str(empty)))
    assert isinstance(error, SourceCorrupt), error
    assert "the recording can't be decoded" in error.message


def test_an_unknown_option_of_the_decoder_is_its_error(run: Run) -> None:
    error = run.error(decoder("-nonsense", "1", *ENDLESS))
    assert "nonsense" in str(error) + str(error.__notes__)


def test_an_encoder_that_fails_at_once_says_why(run: Run) -> None:
    error = run.error(decoder(*ENDLESS), "-c:v", "libnonsense")
    assert type(error) is EncoderFailed
    assert "libnonsense" in str(error.__notes__)


@pytest.mark.parametrize("victim", ["decoder", "encoder"])
def test_a_killed_ffmpeg_is_retried_as_one_that_died(run: Run, victim: str) -> None:
    def kill() -> None:
        if len(run.reported) == 3:
            pid = run.started[0] if victim == "decoder" else run.child(str(run.target))
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

    run.when = kill
    error = run.error(decoder(*ENDLESS), seconds=1000)
    assert type(error) is ProcessDied
    assert "signal 9" in error.message


def test_a_file_that_grows_beyond_its_limit_ends_both(run: Run) -> None:
    error = run.error(decoder(*ENDLESS), "-c:v", "rawvideo", "-f", "nut", limits=Limits(1_000_000, None))
    assert "wrote more than 1000000 bytes" in error.message
    assert run.target.stat().st_size <= 1_000_000


@pytest.mark.timeout(60)
def test_an_encoder_that_needs_no_more_frames_ends_the_decoder(run: Run) -> None:
    assert run(decoder(*ENDLESS), *CODING, "-frames:v", "10", seconds=0.4) is False
    with av.open(str(run.target)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10


def test_a_decoder_that_ends_in_the_middle_of_a_frame_is_an_error(run: Run) -> None:
    # A limit that is no whole number of frames.
    limited = ["/bin/sh", "-c", f"{shlex.join(decoder(*ENDLESS, '-t', '4'))} | head -c 1000000"]
    error = run.error(limited)
    assert type(error) is EncoderFailed
    assert "a decoded frame has" in error.message


@pytest.mark.slow
def test_an_encoder_that_only_computes_is_reported_as_progressing(run: Run) -> None:
    # The decoder has ended long before the encoder is done with the first frame.
    searching = ("-c:v", "libx264", "-preset", "placebo", "-threads", "1")
    enlarged = ("-vf", "scale=720:1280,noise=alls=60:allf=t", *searching)
    run(decoder(*ENDLESS, "-frames:v", "3"), *enlarged, seconds=0.12)
    assert run.reported == sorted(run.reported)
    assert len(run.reported) > 8, "once a frame, and in between"


def test_an_interruption_ends_both(run: Run) -> None:
    class Interrupted(Exception):
        pass

    def interrupt() -> None:
        if len(run.reported) == 2:
            raise Interrupted

    run.when = interrupt
    with pytest.raises(Interrupted):
        run(decoder(*ENDLESS), seconds=1000)


def test_a_decoder_without_frames_is_an_error(run: Run) -> None:
    error = run.error(decoder(*ENDLESS, "-frames:v", "0"))
    assert isinstance(error, EncoderFailed | SourceCorrupt)
