"""Reports of one attempt at a clip to the API: its stages, its percentage, and its waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.metrics import RETRIES
from agent.work.job import Job
from agent.work.progress import ProgressReporter
from clipping.clock import Clock
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Stage
from clipping.contract.messages import LastError, PartProgress, ProgressMessage
from clipping.contract.reel import WorkMessage
from clipping.errors import TransientError
from clipping.log import get_logger

log = get_logger(__name__)

MOMENT_SECONDS = 1.0
"""A wait inside an attempt that is no longer than this is not reported."""
MAX_MESSAGE = 1000
"""Characters of an error's message that are reported."""


@dataclass(frozen=True)
class Identity:
    """The agent, and the epoch of its lease (0: no lease)."""

    agent_id: str
    epoch: int


class AttemptReporter:
    """Numbers an attempt's reports, so that the API ignores those that arrive late. Called in one thread."""

    def __init__(
        self,
        progress: ProgressReporter,
        clock: Clock,
        identity: Callable[[], Identity],
        message: WorkMessage,
        job: Job,
        attempt: int,
    ) -> None:
        self._progress, self._clock, self._identity = progress, clock, identity
        self._request_id, self._attempt = message.request_id, attempt
        self._job = job

    def stage(self, stage: Stage, percent: float, parts: tuple[PartProgress, ...] = ()) -> None:
        """The attempt has reached this stage and percentage; of a reel, also its parts."""
        if parts:
            self._job.parts = parts
        self._report(stage, percent)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """A segment of a long encode was finished, or the encode resumes behind an earlier attempt's."""
        if self._job.checkpoint is None and checkpoint.resumed_count:
            log.info(
                "clip.resumed",
                request_id=self._request_id,
                attempt=self._attempt,
                frame=checkpoint.frame,
                total=checkpoint.total,
                resumed_count=checkpoint.resumed_count,
            )
        self._job.checkpoint = checkpoint
        self._report(self._job.stage, self._job.progress_percent)

    @contextmanager
    def waiting(self, error: TransientError, seconds: float) -> Iterator[None]:
        """The attempt waits `seconds` before it retries a step. Afterwards its stage is reported again."""
        stage, percent = self._job.stage, self._job.progress_percent
        RETRIES.labels(error.code, "step").inc()
        if seconds <= MOMENT_SECONDS:
            yield
            return
        self._retrying(error, seconds)
        yield
        # The first step of an attempt has not named a stage yet.
        self._report("probing" if stage == "waiting" else stage, percent)

    def ended(self, error: TransientError, seconds: float) -> None:
        """The attempt is over, and the next one is expected after `seconds`."""
        RETRIES.labels(error.code, "attempt").inc()
        self._retrying(error, seconds)

    def deferred(self, error: TransientError) -> None:
        """The next attempt starts when an outage is over, at an unknown time."""
        self._retrying(error, None)

    def still_deferred(self) -> None:
        """Report that the clip is still deferred."""
        self._report("retrying", self._job.progress_percent)

    def _retrying(self, error: TransientError, seconds: float | None) -> None:
        now = self._clock.now()
        last = LastError(code=error.code, message=error.message[:MAX_MESSAGE], part=error.part, at=now)
        next_at = None if seconds is None else now + timedelta(seconds=seconds)
        self._report("retrying", self._job.progress_percent, last, next_at)

    def _report(
        self,
        stage: Stage,
        percent: float,
        last_error: LastError | None = None,
        next_attempt_at: datetime | None = None,
    ) -> None:
        job, identity = self._job, self._identity()
        job.seq += 1
        job.stage, job.progress_percent, job.at = stage, percent, self._clock.monotonic()
        self._progress.report(
            ProgressMessage(
                request_id=self._request_id,
                stage=stage,
                progress_percent=round(percent, 1),
                agent_id=identity.agent_id,
                epoch=identity.epoch,
                attempt=self._attempt,
                seq=job.seq,
                checkpoint=job.checkpoint,
                parts=job.parts or None,
                last_error=last_error,
                next_attempt_at=next_attempt_at,
            )
        )
