"""Makes what a request asks for, a clip or a reel, in a folder of the spool."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.cutting import Clip, Engine
from agent.cutting.reading.source import SourceFile
from agent.specs import cut_spec, reel_spec
from agent.work.encode_checkpoints import EncodeCheckpoints
from agent.work.job import Job
from agent.work.recordings import Attempt, Recordings
from agent.work.reporting import AttemptReporter
from clipping.contract.messages import RequestMessage
from clipping.contract.reel import ReelMessage, WorkMessage
from clipping.errors import ClippingError


@dataclass(frozen=True)
class Maker:
    """The engine, with what it reads and what it keeps. One for the process; thread-safe."""

    engine: Engine
    checkpoints: EncodeCheckpoints
    recordings: Recordings

    def make(
        self,
        message: WorkMessage,
        job: Job,
        attempt: int,
        folder: Path,
        report: AttemptReporter,
        written: Callable[[Path], None] = lambda _: None,
    ) -> Clip:
        """The finished file, in `folder`. `written`: see `Engine.cut`; not called for a reel.

        Raises as the engine, and as `Attempt.open` of recordings."""

        def alive() -> None:
            # The API takes a silent attempt for lost.
            report.stage(job.stage, job.progress_percent)
            job.interruption.raise_if_set()

        with self.recordings.of(message, folder, alive) as recordings:
            match message:
                case RequestMessage():
                    return self._clip(message, job, attempt, folder, report, recordings, written)
                case ReelMessage():
                    return self._reel(message, job, folder, report, recordings)

    def make_room(self, message: WorkMessage) -> None:
        """The disk is full: remove what was kept on it for another attempt."""
        self.checkpoints.local.drop(message.request_id)

    def forget(self, message: WorkMessage) -> None:
        """The request has ended: remove what was kept for another attempt."""
        self.checkpoints.drop(message)

    def _clip(
        self,
        message: RequestMessage,
        job: Job,
        attempt: int,
        folder: Path,
        report: AttemptReporter,
        recordings: Attempt,
        written: Callable[[Path], None],
    ) -> Clip:
        with (
            recordings.open(message) as source,
            self.checkpoints.of(message, job, attempt, source, folder, report) as kept,
        ):
            while True:
                try:
                    return self.engine.cut(
                        cut_spec(message),
                        folder,
                        progress=report.stage,
                        interruption=job.interruption,
                        source=recordings.as_now(message, source),
                        keep=kept.keep,
                        checkpoint=kept.checkpoint,
                        written=written,
                    )
                except ClippingError as error:
                    if not recordings.widen(message, error):
                        raise
                    # Segments may contain frames that were decoded from nothing.
                    shutil.rmtree(kept.keep.folder, ignore_errors=True)

    def _reel(
        self, message: ReelMessage, job: Job, folder: Path, report: AttemptReporter, recordings: Attempt
    ) -> Clip:
        def open_part(index: int) -> SourceFile:
            # A reel is probed part by part before it is cut; the API takes a silent attempt for lost.
            report.stage(job.stage, job.progress_percent)
            return recordings.open(message.clips[index])

        with self.checkpoints.of_reel(message, job, report) as kept:
            while True:
                try:
                    return self.engine.reel(
                        reel_spec(message),
                        folder,
                        open_part=open_part,
                        progress=report.stage,
                        interruption=job.interruption,
                        keep=kept.keep,
                        checkpoint=kept.checkpoint,
                    )
                except ClippingError as error:
                    parts = message.clips if error.part is None else [message.clips[error.part]]
                    if not any(recordings.widen(part, error) for part in parts):
                        raise
