"""One job of the engine, watched until it ends or has to be ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from agent.cutting.plan.spec import EngineSettings
from agent.cutting.process.budget import Budget
from agent.cutting.process.child import JobCrashed
from agent.cutting.process.client import JOBS, ForkServer, Job
from agent.cutting.process.interruption import Interruption, Reason
from agent.cutting.process.protocol import Done, Exited, Failed, Helper, Kept, Progress, Written
from agent.cutting.process.stall import StallWatch, usage
from agent.cutting.reading.source import SourceFile
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Stage
from clipping.errors import EncoderFailed, ProcessDied, SourceUnavailable, TimeLimit
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


class Supervised:
    """A job. Use it once."""

    def __init__(
        self,
        server: ForkServer,
        settings: EngineSettings,
        source: SourceFile,
        progress: Callable[[Stage, float], None],
        interruption: Interruption,
        checkpoint: Callable[[Checkpoint], None] = lambda _: None,
        written: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._settings = settings
        self._source = source
        self._progress = progress
        self._interruption = interruption
        self._checkpoint = checkpoint
        self._written = written
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
                case Written(path):
                    self._written(path)
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
        return reads(self._server, self._source.descriptor, _ANSWER_SECONDS)

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


def reads(server: ForkServer, descriptor: int, timeout: float) -> bool:
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
