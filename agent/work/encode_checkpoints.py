"""What an attempt keeps of a long encode, and what it takes over from an earlier one.

Segments are kept on this agent's disk; with `checkpoints.remote` also in the store. An attempt begins with
the further of both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.cutting import Keep
from agent.cutting.reading.source import SourceFile
from agent.metrics import RESUMED
from agent.resources.checkpoint_downloads import (
    BUDGET_SECONDS,
    Download,
    install,
    is_further,
    kept_in,
    misfit,
)
from agent.resources.checkpoint_uploads import CheckpointUploads, Mirror
from agent.resources.checkpoints import Checkpoints
from agent.resources.stored_checkpoints import Found, look
from agent.settings import Settings
from agent.work.job import Job
from agent.work.job_state import INTERRUPTED
from agent.work.reporting import AttemptReporter
from clipping.clock import Clock
from clipping.contract.checkpoint import Checkpoint, CheckpointFile, StoredCheckpoint
from clipping.contract.messages import RequestMessage
from clipping.contract.reel import ReelMessage, WorkMessage
from clipping.errors import ClippingError, PermanentError, StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import Store
from health.lease.guard import Permit

log = get_logger(__name__)

FLUSH_SECONDS = 5.0
"""How long an attempt that ends without a clip waits for its last segment to reach the store."""


@dataclass(frozen=True)
class Attempt:
    """For the engine."""

    keep: Keep
    checkpoint: Callable[[Checkpoint], None]


@dataclass(frozen=True)
class EncodeCheckpoints:
    """One for the process. Thread-safe."""

    settings: Settings
    local: Checkpoints
    guard: Permit
    clock: Clock
    uploads: CheckpointUploads | None = None
    """To the store; None: segments are kept on this agent only."""

    @contextmanager
    def of(
        self,
        message: RequestMessage,
        job: Job,
        attempt: int,
        source: SourceFile,
        scratch: Path,
        report: AttemptReporter,
    ) -> Iterator[Attempt]:
        """Keep what an attempt finishes. `scratch`: the attempt's folder in the spool."""
        with self.local.of(message.request_id) as folder:
            keep = self._keep(message, folder)
            uploads = self.uploads
            if uploads is None or not self._is_long(message):
                yield Attempt(keep, _reporting(job, report, lambda: None, "disk"))
                return
            found, taken = None, False
            # The first attempt at a copy, which takes less than asking, has nothing to resume.
            if message.mode == "encode" or attempt > 1:
                found = _look(uploads.store, message)

                def interrupted() -> bool:
                    report.stage("probing", 0.0)  # the API would take a silent one for lost
                    return job.state in INTERRUPTED

                download = partial(Download, uploads.store, scratch=scratch / "checkpoint")
                taken = self._take_over(found, keep, source, download, interrupted)
            mirror = uploads.begin(
                message.request_id,
                keep.spec_hash,
                folder,
                agent_id=keep.agent_id,
                epoch=self.guard.epoch,
                attempt=attempt,
                allowed=self.guard.valid,
                found=found,
            )
            origin = "store" if taken else "disk"
            with _flushed(uploads, mirror):
                yield Attempt(keep, _reporting(job, report, lambda: uploads.changed(mirror), origin))

    @contextmanager
    def of_reel(self, message: ReelMessage, job: Job, report: AttemptReporter) -> Iterator[Attempt]:
        """Keep the parts that an attempt at a reel finishes: on this agent's disk only."""
        with self.local.of(message.request_id) as folder:
            yield Attempt(self._keep(message, folder), _reporting(job, report, lambda: None, "disk"))

    def _keep(self, message: WorkMessage, folder: Path) -> Keep:
        config = self.settings.current
        return Keep(
            folder,
            request_id=message.request_id,
            spec_hash=message.spec_hash(),
            agent_id=config.agent.id,
            min_seconds=config.checkpoints.min_seconds,
            segment_seconds=config.checkpoints.segment_seconds,
        )

    def drop(self, message: WorkMessage) -> None:
        """The clip or reel has ended: nothing will be resumed."""
        self.local.drop(message.request_id)
        if self.uploads is not None and isinstance(message, RequestMessage) and self._is_long(message):
            self.uploads.delete(message.request_id)

    def _is_long(self, message: RequestMessage) -> bool:
        return message.out_seconds - message.in_seconds >= self.settings.current.checkpoints.min_seconds

    def _take_over(
        self,
        found: Found | None,
        keep: Keep,
        source: SourceFile,
        downloading: Callable[[StoredCheckpoint], Download],
        interrupted: Callable[[], bool],
    ) -> bool:
        """Download the segments in the store, if they are further than those on this disk; whether they are
        there now."""
        if found is None:
            return False
        stored, local = found.checkpoint, kept_in(keep.folder)
        if local is not None and misfit(local, keep, source.identity):
            local = None
        if stored is None:
            reason: str | None = "it can't be read"
        elif (reason := misfit(stored, keep, source.identity)) is None:
            if not is_further(stored, local):
                return False
            reason = self._lacks_room(stored)
            if reason is None:
                reason = self._downloaded(downloading(stored), local, keep, interrupted)
        if reason is not None:
            log.warning("checkpoint.ignored", request_id=keep.request_id, reason=reason)
        return reason is None

    def _lacks_room(self, stored: StoredCheckpoint) -> str | None:
        size, config = sum(stored.sizes), self.settings.current
        if size > config.checkpoints.max_bytes:
            return f"it has {size} bytes, and checkpoints.max_bytes is {config.checkpoints.max_bytes}"
        free = shutil.disk_usage(config.agent.state_dir).free
        if free - size < config.agent.min_free_bytes:
            return f"it has {size} bytes, and only {free} are free"
        return None

    def _downloaded(
        self, download: Download, local: CheckpointFile | None, keep: Keep, interrupted: Callable[[], bool]
    ) -> str | None:
        """Why nothing was taken over; None if it was."""
        begun, stored = self.clock.monotonic(), download.checkpoint
        try:
            download.scratch.mkdir()
            usable = stored.first(download.run(interrupted, seconds=BUDGET_SECONDS))
            if not is_further(usable, local):
                return download.trouble or "the attempt was interrupted"
            install(usable.local(), download.scratch, keep.folder)
        except OSError as error:
            return f"nothing can be kept in {keep.folder}: {error.strerror}"
        log.info(
            "checkpoint.downloaded",
            request_id=keep.request_id,
            by=stored.agent_id,
            segments=usable.segment,
            of=stored.segment,
            bytes=sum(usable.sizes),
            seconds=round(self.clock.monotonic() - begun, 3),
            lacking=download.trouble,
        )
        return None


@contextmanager
def _flushed(uploads: CheckpointUploads, mirror: Mirror) -> Iterator[None]:
    try:
        yield
    except PermanentError:
        raise  # nothing will be resumed
    except ClippingError:
        uploads.wait(mirror, FLUSH_SECONDS)
        raise
    finally:
        uploads.end(mirror)


def _reporting(
    job: Job, report: AttemptReporter, changed: Callable[[], None], origin: str
) -> Callable[[Checkpoint], None]:
    def checkpoint(checkpoint: Checkpoint) -> None:
        if job.checkpoint is None and checkpoint.resumed_count:
            RESUMED.labels(origin).inc()
        report.checkpoint(checkpoint)
        changed()

    return checkpoint


def _look(store: Store, message: RequestMessage) -> Found | None:
    try:
        return look(store, message.request_id)
    except StoreUnavailable as error:
        log.warning("checkpoint.ignored", request_id=message.request_id, reason=error.message)
        return None
