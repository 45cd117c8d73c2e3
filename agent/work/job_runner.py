"""Runs one request, for a clip or a reel, step by step. A crash at any point is harmless: the order of the
steps makes it so.

lease still ours? → already delivered? adopt it → cancelled? → open the source → probe, plan, cut, verify
(the engine) → lease still ours? → upload, create-only → its posters → a reel's table → sign → lease still
ours? → publish the completion, confirmed → remove what was kept for another attempt → acknowledge.

Nothing is acknowledged before its completion is published. An agent that has lost its lease publishes and
uploads nothing: the message goes back, and the agent that has the lease now does the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from agent.cutting import Clip
from agent.resources.spool import Spool
from agent.settings import Settings
from agent.work.cancels import Cancels
from agent.work.delivery import Courier, Delivered, Stored
from agent.work.failures import Failures
from agent.work.job import Job
from agent.work.job_state import INTERRUPTED, State
from agent.work.kinds import table
from agent.work.maker import Maker
from agent.work.owner_outages import OwnerOutages
from agent.work.posters import PosterMaker
from agent.work.progress import ProgressReporter
from agent.work.reporting import AttemptReporter, Identity
from clipping.bus.backoff import redelivery_seconds
from clipping.bus.publisher import Publisher
from clipping.clock import Clock
from clipping.contract.messages import CompletionMessage, ErrorInfo
from clipping.contract.reel import WorkMessage
from clipping.errors import (
    BusUnavailable,
    Cancelled,
    GivenBack,
    LeaseLost,
    NoSpace,
    PermanentError,
    SigningUnavailable,
    StoreUnavailable,
    TransientError,
)
from clipping.log import get_logger
from health.lease.guard import Permit

log = get_logger(__name__)

T = TypeVar("T")

GIVEN_BACK = frozenset({State.GIVEN_BACK})

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits between the tries of an upload or a publish, before the message is given back for a later attempt.
Giving it back at once would use up its attempts during an outage of minutes."""
OWNER_RETRY_SECONDS = RETRY_SECONDS[:2]
"""Those for a store that fails for one caller alone: the requests of others need the slot."""


@dataclass(frozen=True)
class JobRunner:
    """Runs jobs. One for the process; `run` may be called from many threads."""

    settings: Settings
    clock: Clock
    maker: Maker
    spool: Spool
    failures: Failures
    courier: Courier
    posters: PosterMaker
    outages: OwnerOutages
    cancels: Cancels
    publisher: Publisher
    progress: ProgressReporter
    guard: Permit

    @property
    def identity(self) -> Identity:
        """This agent and its current epoch."""
        return Identity(self.settings.current.agent.id, self.guard.epoch)

    def reporter(self, message: WorkMessage, job: Job, attempt: int) -> AttemptReporter:
        """The reporter of this attempt."""
        return AttemptReporter(self.progress, self.clock, lambda: self.identity, message, job, attempt)

    def run(self, message: WorkMessage, job: Job, *, attempt: int) -> CompletionMessage:
        """Do all steps up to the published completion.

        Raises `TransientError` when a later attempt may do better (`LeaseLost`: another agent's), and
        `GivenBack` when it was interrupted to be given back; no completion is published then. Everything
        else, a cancellation too, ends in a published completion.
        """
        report = self.reporter(message, job, attempt)
        try:
            return self._run(message, job, attempt, report)
        except (LeaseLost, GivenBack):
            self.progress.forget(message.request_id)  # what it reported last does not matter any more
            raise
        except TransientError as error:
            policy = self.settings.current.pubsub
            report.ended(
                error,
                redelivery_seconds(
                    attempt, minimum=policy.retry_min_seconds, maximum=policy.retry_max_seconds
                ),
            )
            raise

    def _run(
        self, message: WorkMessage, job: Job, attempt: int, report: AttemptReporter
    ) -> CompletionMessage:
        started, begun = self.clock.now(), self.clock.monotonic()
        try:
            delivered = self._deliver(message, job, attempt, report)
        except LeaseLost:
            raise
        except Cancelled:
            completion = unfinished(message, self.identity, attempt, self.clock.now(), "cancelled")
        except PermanentError as error:
            completion = self._failure(message, attempt, error)
        except TransientError as error:
            state = job.state
            if state is State.CANCELLED:  # while it waited to be tried again
                completion = unfinished(message, self.identity, attempt, self.clock.now(), "cancelled")
            elif state is State.RUNNING and self._is_final(error, message, attempt):
                completion = self._failure(message, attempt, error)
            else:
                raise
        else:
            completion = self._success(message, attempt, delivered, self.clock.monotonic() - begun)
        self._publish(completion, job, report)
        self.failures.forget(message.request_id)
        self.maker.forget(message)
        log.info(
            "clip." + completion.status,
            request_id=message.request_id,
            hand_id=message.hand_id,
            attempt=attempt,
            waited=(started - message.requested_at).total_seconds(),
            seconds=self.clock.monotonic() - begun,
            bytes=completion.file_size_bytes,
            code=completion.error.code if completion.error else None,
            error=completion.error_message,
        )
        return completion

    def _is_final(self, error: TransientError, message: WorkMessage, attempt: int) -> bool:
        exhausted = self.failures.exhausted(message.request_id, error)
        # The next delivery would go to the dead-letter topic, where the reason is unknown.
        return exhausted or attempt >= self.settings.current.pubsub.max_delivery_attempts

    def _deliver(self, message: WorkMessage, job: Job, attempt: int, report: AttemptReporter) -> Delivered:
        self.guard.check()
        self.outages.check(message.owner)
        found = self._stored(lambda: self.courier.find(message), message, job, report)
        if found is not None:
            log.info("clip.adopted", request_id=message.request_id, uri=found.uri)
        elif self._retried(lambda: self.cancels.asked(message.request_id), job, report):
            job.cancel()
            raise Cancelled("the clip was cancelled before it was cut")
        stored = found or self._made(message, job, attempt, report)
        if (text := table(message)) is not None:
            self._add_table(text, message, job, report)
        return self._stored(
            lambda: self.courier.link(stored, message), message, job, report, until=INTERRUPTED
        )

    def _made(self, message: WorkMessage, job: Job, attempt: int, report: AttemptReporter) -> Stored:
        report.stage("probing", 0.0)
        try:
            with (
                self.spool.folder(message.request_id) as folder,
                self.posters.of(message, folder) as posters,
            ):
                wanted = self.settings.current.cutting.poster
                # While the clip is verified, too: else its link would wait for them longer.
                begin = posters.begin if wanted else _nothing
                clip = self.maker.make(message, job, attempt, folder, report, begin)
                if wanted and not posters.begun:
                    posters.begin(clip.path)
                report.stage("uploading", 100.0)
                stored = self._stored(
                    lambda: self._upload(clip, message, job), message, job, report, until=INTERRUPTED
                )
                if not wanted:
                    return stored
                self.guard.check()
                return posters.deliver(stored, epoch=self.guard.epoch)
        except NoSpace:
            if self.spool.free_bytes() < self.spool.min_free_bytes:
                # What is kept of it may be what fills the disk, and no work is taken until there is room.
                self.maker.make_room(message)
            raise

    def _upload(self, clip: Clip, message: WorkMessage, job: Job) -> Stored:
        job.interruption.raise_if_set()
        self.guard.check()
        return self.courier.upload(clip, message, epoch=self.guard.epoch)

    def _add_table(self, text: str, message: WorkMessage, job: Job, report: AttemptReporter) -> None:
        """After the reel, so that one that fails leaves no table; before its completion."""

        def upload() -> None:
            self.guard.check()
            with self.spool.folder(message.request_id) as folder:
                self.courier.add_table(text, message, folder, epoch=self.guard.epoch)

        self._stored(upload, message, job, report, until=INTERRUPTED)

    def _publish(self, completion: CompletionMessage, job: Job, report: AttemptReporter) -> None:
        # A late "cutting 80 %" behind the completion would be ignored, but it need not be sent at all.
        self.progress.forget(completion.request_id)
        attributes = {"request_id": completion.request_id, "status": completion.status}
        topic = self.settings.current.pubsub.complete_topic

        def publish() -> str:
            self.guard.check()
            return self.publisher.publish(topic, completion.to_json(), attributes)

        self._retried(publish, job, report)
        self.progress.forget(completion.request_id)  # reported again if it had to be retried

    def _stored(
        self,
        call: Callable[[], T],
        message: WorkMessage,
        job: Job,
        report: AttemptReporter,
        *,
        until: frozenset[State] = GIVEN_BACK,
    ) -> T:
        """As `_retried`, for a call of the store of the message's caller."""
        if not self.outages.apart(message.owner):
            return self._retried(call, job, report, until=until)
        try:
            return self._retried(call, job, report, until=until, waits=OWNER_RETRY_SECONDS)
        except (StoreUnavailable, SigningUnavailable) as error:
            self.outages.failed(message.owner, error)
            raise

    def _retried(
        self,
        call: Callable[[], T],
        job: Job,
        report: AttemptReporter,
        *,
        until: frozenset[State] = GIVEN_BACK,
        waits: Sequence[float] = RETRY_SECONDS,
    ) -> T:
        """What `call` returns; tried again during an outage, until the job is in one of these states."""
        for wait in waits:
            try:
                return call()
            except (StoreUnavailable, SigningUnavailable, BusUnavailable) as error:
                log.warning("clip.retry", code=error.code, error=error.message, wait=wait)
                with report.waiting(error, wait):
                    if job.wait(wait, *until):
                        raise
        return call()

    def _success(
        self, message: WorkMessage, attempt: int, delivered: Delivered, seconds: float
    ) -> CompletionMessage:
        identity = self.identity
        return CompletionMessage(
            request_id=message.request_id,
            hand_id=message.hand_id,
            status="completed",
            agent_id=identity.agent_id,
            epoch=identity.epoch,
            attempt=attempt,
            completed_at=self.clock.now(),
            output_gcs_path=delivered.path_name,
            output_uri=delivered.uri,
            download_url=delivered.download_url,
            download_url_expires_at=delivered.expires_at,
            poster_url=delivered.poster_url,
            contact_sheet_url=delivered.contact_sheet_url,
            file_size_bytes=delivered.size,
            sha256=delivered.facts.sha256,
            duration_seconds=delivered.facts.duration,
            processing_time_seconds=round(seconds, 3),
            report=delivered.facts.report,
        )

    def _failure(
        self, message: WorkMessage, attempt: int, error: PermanentError | TransientError
    ) -> CompletionMessage:
        why = ErrorInfo(code=error.code, message=error.message, part=error.part)
        return unfinished(message, self.identity, attempt, self.clock.now(), "failed", why)


def _nothing(_: Path) -> None:
    pass


def unfinished(
    message: WorkMessage,
    identity: Identity,
    attempt: int,
    now: datetime,
    status: Literal["failed", "cancelled"],
    why: ErrorInfo | None = None,
) -> CompletionMessage:
    """The completion of a request for which there is no clip, and why."""
    return CompletionMessage(
        request_id=message.request_id,
        hand_id=message.hand_id,
        status=status,
        agent_id=identity.agent_id,
        epoch=identity.epoch,
        attempt=attempt,
        completed_at=now,
        error=why,
        error_message=why.message if why is not None else None,
    )
