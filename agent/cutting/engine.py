"""The engine's interface: cuts and probes, each in a separate process."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import cast

from agent.cutting.encode.encoder_probe import Encoders
from agent.cutting.encode.ffmpeg import find_ffmpeg
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.spec import Clip, CutSpec, EngineSettings, Keep, Order
from agent.cutting.process.budget import Budget
from agent.cutting.process.child import JobCrashed
from agent.cutting.process.client import JOBS, ForkServer, Job, engine_server
from agent.cutting.process.interruption import Interruption, Reason
from agent.cutting.process.protocol import Done, Exited, Failed, Helper, Kept, Progress
from agent.cutting.process.stall import StallWatch, usage
from agent.cutting.reading.source import SourceFile, open_path
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Stage
from clipping.errors import (
    ClippingError,
    EncoderFailed,
    EngineUnavailable,
    ProcessDied,
    SourceUnavailable,
    TimeLimit,
)
from clipping.log import get_logger

log = get_logger(__name__)

_LOOK_SECONDS = 0.1
"""Between two checks for an interruption."""
_INTERRUPT_SECONDS = 1.0
"""How long an interrupted job has to stop by itself before it is killed."""
_REPORT_SECONDS = 0.5
"""Progress is reported at least this often."""
_TERM_SECONDS = 3
"""From SIGTERM to SIGKILL for a stalled job."""
_KILL_SECONDS = 5
"""How long to wait for a killed process: one that hangs in the kernel is left behind."""
_ANSWER_SECONDS = 5
"""A NAS that does not return a few bytes in this time is treated as unavailable."""
_PROBE_SECONDS = 120


class Engine:
    """Cuts clips. One per process; thread-safe. Each cut runs in a separate child process."""

    def __init__(self, settings: EngineSettings, server: ForkServer | None = None) -> None:
        """`server`: an `engine_server` that is being started already; the engine closes it."""
        self._settings = settings
        self._server = server or engine_server(settings.slots)
        self._encoders = Encoders(settings)
        self._own_cache: tempfile.TemporaryDirectory[str] | None = None

    def start(self, *, encodes: bool = True) -> None:
        """Start the fork server. Raises `EncoderFailed` when there is no ffmpeg or the server can't start.

        `encodes`: whether any cut's mode is `encode`; if none, the encoders need not be tried.
        """
        self._server.launch()  # it loads while ffmpeg is checked
        try:
            find_ffmpeg(self._settings.ffmpeg)
        except ClippingError:
            self._server.close()
            raise
        if encodes:
            self._encoders.start()
        if self._settings.cache_dir is None:
            self._own_cache = tempfile.TemporaryDirectory(
                prefix="clipping-index-", ignore_cleanup_errors=True
            )
        self._server.start()

    def close(self) -> None:
        """End the server, and with it every job that still runs."""
        self._encoders.close()
        self._server.close()
        if self._own_cache is not None:
            self._own_cache.cleanup()
            self._own_cache = None

    @property
    def encoders(self) -> list[str]:
        """The encoders that work on this machine; empty until they have been tried, soon after the start."""
        return self._encoders.working()

    @property
    def _cache(self) -> Path | None:
        return Path(self._own_cache.name) if self._own_cache is not None else self._settings.cache_dir

    def answers(self, timeout: float) -> bool:
        """Whether a process for a cut can be started and reads a file within `timeout` seconds.

        Raises `EncoderFailed` when there is no ffmpeg.
        """
        path = find_ffmpeg(self._settings.ffmpeg)
        try:
            program = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise EngineUnavailable(f"{path} can't be opened: {error.strerror}") from error
        try:
            return _reads(self._server, program, timeout)
        finally:
            os.close(program)

    def probe(self, source: Path) -> MediaInfo:
        """What a recording holds. Raises as `agent.cutting.reading.probe.probe`, and `TimeLimit`."""
        limit = min(_PROBE_SECONDS, self._settings.time_limit_seconds)
        with open_path(source) as file:
            run = _Supervised(self._server, self._settings, file, lambda *_: None, Interruption())
            return cast(
                MediaInfo, run.result(limit, f"{JOBS}:run_probe", file.name, file.identity, self._cache)
            )

    def cut(
        self,
        spec: CutSpec,
        folder: Path,
        *,
        progress: Callable[[Stage, float], None],
        interruption: Interruption | None = None,
        source: SourceFile | None = None,
        keep: Keep | None = None,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
    ) -> Clip:
        """Cut, verify and describe one clip; its file is in `folder`, with a unique name.

        `source` is the recording, opened by the caller, who closes it; without it the file that is at
        `spec.source` now is opened. Nothing else is read, even if the path names another file later.
        `progress(stage, percent)` is called in this thread, at most about five times a second, with percent
        of the whole; when nothing has moved for half a second, with what it was called with before.
        `interruption` ends the cut within about a second, with `Cancelled` or `GivenBack`. While it winds
        down, a long encode ends with `GivenBack` once neither the clip nor the next segment can be finished.
        `keep`: where a long encode keeps what is finished of it, also when this raises; the same cut, called
        again, resumes there. `checkpoint` is called in this thread with each new checkpoint.
        When this raises, nothing is left in `folder`:
        `SourceNotFound`, `SourceNotAllowed` (not a regular file), `SourceCorrupt`, `SourceHasNoVideo`,
        `RangeBeyondEnd`, `UnsupportedCodec`, `CutVerificationFailed`, `TimeLimit`, `Cancelled`,
        `GivenBack`, `SourceUnavailable`, `SourceChanged`, `NoSpace`, `EncoderFailed`, `OutputTooLarge`.
        """
        stem = f"clip-{secrets.token_hex(6)}"
        program = find_ffmpeg(self._settings.ffmpeg)
        try:
            with (
                open_path(spec.source) if source is None else nullcontext(source) as file,
                self._encoders.chosen(spec) as choice,
            ):
                order = Order(
                    spec,
                    file.identity,
                    folder,
                    stem,
                    program,
                    choice,
                    self._cache,
                    self._settings.verify,
                    self._settings.max_pixels,
                    self._settings.on_damage,
                    keep,
                )
                stop = interruption or Interruption()
                run = _Supervised(self._server, self._settings, file, progress, stop, checkpoint)
                clip = cast(Clip, run.result(self._settings.time_limit_seconds, f"{JOBS}:run_cut", order))
        except BaseException:
            for leftover in folder.glob(f"{stem}.*"):
                leftover.unlink(missing_ok=True)
            raise
        return clip


class _Supervised:
    """One job, watched until it ends or has to be ended."""

    def __init__(
        self,
        server: ForkServer,
        settings: EngineSettings,
        source: SourceFile,
        progress: Callable[[Stage, float], None],
        interruption: Interruption,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._settings = settings
        self._source = source
        self._progress = progress
        self._interruption = interruption
        self._checkpoint = checkpoint
        self._watch = StallWatch()
        self._budget = Budget()
        self._reported: Progress | None = None
        self._reported_at = 0.0
        self._helper: int | None = None
        self._answer: Done | Failed | None = None
        self._exit_code: int | None = None
        self._begun_again = False
        self._winding_down: float | None = None

    def result(self, limit_seconds: float, function: str, *arguments: object) -> object:
        """Run the job; its value. Raises what it raised, or why it was ended."""
        self._job = self._start(function, *arguments)
        deadline = time.monotonic() + limit_seconds
        try:
            while True:
                if self._listen(_LOOK_SECONDS):
                    if not self._has_begun() and not self._begun_again:
                        self._job.close()
                        self._job, self._begun_again = self._start(function, *arguments), True
                        self._winding_down = None
                        continue
                    return self._conclude()
                self._report_again()
                if (until := self._interruption.until) != self._winding_down:
                    self._winding_down = until
                    self._job.wind_down(until)
                if (reason := self._interruption.reason) is not None:
                    self._interrupt(reason)
                    raise reason.error()
                if time.monotonic() > deadline:
                    self._end(grace=0)
                    raise TimeLimit(f"timed out: the cut took longer than {limit_seconds:g} s")
                self._check_spent()
        finally:
            self._job.close()

    def _start(self, function: str, *arguments: object) -> Job:
        return self._server.run(function, *arguments, descriptors=(self._source.descriptor,))

    def _has_begun(self) -> bool:
        return not (self._job.pid is None and self._answer is None and self._exit_code is None)

    def _listen(self, timeout: float) -> bool:
        """Process the job's messages; True when it has ended."""
        for message in self._job.messages(timeout):
            self._watch.moved()
            match message:
                case Progress():
                    self._report(message)
                case Helper(pid):
                    self._helper = pid
                case Kept(checkpoint):
                    self._checkpoint(checkpoint)
                case Done() | Failed():
                    self._answer = message
                    return True
                case Exited(code):
                    self._exit_code = code
                    return True
                case None:
                    return True
        return False

    def _report(self, news: Progress) -> None:
        self._budget.progressed(news.stage)
        self._reported, self._reported_at = news, time.monotonic()
        self._progress(news.stage, news.percent)

    def _report_again(self) -> None:
        if self._reported is not None and time.monotonic() - self._reported_at >= _REPORT_SECONDS:
            self._reported_at = time.monotonic()
            self._progress(self._reported.stage, self._reported.percent)

    def _conclude(self) -> object:
        match self._answer:
            case Done(value):
                return value
            case Failed(JobCrashed() as crash):
                log.error("cutting.job_crashed", traceback=str(crash))
                raise EncoderFailed("the cut failed because of a bug: see the agent's log")
            case Failed(error):
                for note in getattr(error, "__notes__", ()):
                    log.warning("ffmpeg.failed", source=str(self._source.name), stderr=note)
                raise error
        code = self._exit_code
        how = (
            "without a result"
            if code is None
            else f"by signal {-code}"
            if code < 0
            else f"with status {code}"
        )
        log.error("cutting.process_died", code=code)
        hint = " (perhaps out of memory)" if code == -signal.SIGKILL else ""
        raise ProcessDied(f"the cutting process ended {how}{hint}")

    def _check_spent(self) -> None:
        """Raise if the job is stalled, or has used too much without progress."""
        helper = self._helper
        pid = self._job.pid if helper is None else helper
        used = None if pid is None else usage(pid)
        # While ffmpeg works, the job only reads its output, which moves bytes too.
        work = used and (used.job_work if helper is None else used.helper_work)
        if self._watch.still_for(work) > self._settings.stall_seconds:
            raise self._stalled()
        overrun = None if helper is not None else self._budget.overrun(used)
        if overrun is not None:
            self._end(grace=0)
            log.warning("cutting.overrun", source=str(self._source.name), error=overrun.message)
            raise overrun

    def _stalled(self) -> Exception:
        helper = self._helper
        readable = self._source_answers()
        self._end(grace=_TERM_SECONDS)
        seconds = self._settings.stall_seconds
        log.error(
            "cutting.stalled", pid=self._job.pid, helper=helper, seconds=seconds, source_readable=readable
        )
        if readable:
            who = "the cutting process" if helper is None else "ffmpeg"
            return EncoderFailed(f"{who} made no progress for {seconds:g} s and was ended")
        return SourceUnavailable(f"the recording could not be read for {seconds:g} s: is the NAS mounted?")

    def _source_answers(self) -> bool:
        """Whether the recording can be read now, tried in another process as this may hang too."""
        return _reads(self._server, self._source.descriptor, _ANSWER_SECONDS)

    def _interrupt(self, reason: Reason) -> None:
        """Let the job stop by itself; one that does not is killed."""
        self._job.interrupt(reason)
        if not self._gone(_INTERRUPT_SECONDS):
            self._end(grace=0)

    def _end(self, *, grace: float) -> None:
        """Stop the whole process group, and wait a limited time for its exit."""
        if grace:
            self._job.signal(signal.SIGTERM)
            if self._gone(grace):
                return
        self._job.signal(signal.SIGKILL)
        if not self._gone(_KILL_SECONDS):
            log.error("cutting.process_unkillable", pid=self._job.pid)

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for message in self._job.messages(left):
                if message is None or isinstance(message, Exited):
                    return True
        return False


def _reads(server: ForkServer, descriptor: int, timeout: float) -> bool:
    """Whether a separate process reads a little of a file in time."""
    job = server.run(f"{JOBS}:run_look", descriptors=(descriptor,))
    deadline = time.monotonic() + timeout
    try:
        while (left := deadline - time.monotonic()) > 0:
            for message in job.messages(left):
                return isinstance(message, Done)
        return False
    finally:
        job.close()
