"""Makes what a request asks for, a clip or a reel, in a folder of the spool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.cutting import Clip, Engine
from agent.cutting.reading.source import SourceFile
from agent.resources.mounts import MountMemory
from agent.resources.sources import open_below
from agent.settings import Settings
from agent.work.encode_checkpoints import EncodeCheckpoints
from agent.work.job import Job
from agent.work.reporting import AttemptReporter
from agent.work.specs import cut_spec, reel_spec
from clipping.contract.messages import RequestMessage
from clipping.contract.recording import recording_of
from clipping.contract.reel import ReelMessage, WorkMessage
from clipping.errors import SourceNotAllowed


@dataclass(frozen=True)
class Maker:
    """The engine, with what it reads and what it keeps. One for the process; thread-safe."""

    settings: Settings
    engine: Engine
    checkpoints: EncodeCheckpoints
    mounts: MountMemory

    def make(
        self, message: WorkMessage, job: Job, attempt: int, folder: Path, report: AttemptReporter
    ) -> Clip:
        """The finished file, in `folder`. Raises as the engine, and as `open_below`."""
        match message:
            case RequestMessage():
                return self._clip(message, job, attempt, folder, report)
            case ReelMessage():
                return self._reel(message, job, folder, report)

    def make_room(self, message: WorkMessage) -> None:
        """The disk is full: remove what was kept on it for another attempt."""
        self.checkpoints.local.drop(message.request_id)

    def forget(self, message: WorkMessage) -> None:
        """The request has ended: remove what was kept for another attempt."""
        self.checkpoints.drop(message)

    def _clip(
        self, message: RequestMessage, job: Job, attempt: int, folder: Path, report: AttemptReporter
    ) -> Clip:
        with (
            self._open(recording_of(message)) as source,
            self.checkpoints.of(message, job, attempt, source, folder, report) as kept,
        ):
            return self.engine.cut(
                cut_spec(message),
                folder,
                progress=report.stage,
                interruption=job.interruption,
                source=source,
                keep=kept.keep,
                checkpoint=kept.checkpoint,
            )

    def _reel(self, message: ReelMessage, job: Job, folder: Path, report: AttemptReporter) -> Clip:
        def open_part(index: int) -> SourceFile:
            # A reel is probed part by part before it is cut; the API takes a silent attempt for lost.
            report.stage(job.stage, job.progress_percent)
            return self._open(recording_of(message.clips[index]))

        with self.checkpoints.of_reel(message, job, report) as kept:
            return self.engine.reel(
                reel_spec(message),
                folder,
                open_part=open_part,
                progress=report.stage,
                interruption=job.interruption,
                keep=kept.keep,
                checkpoint=kept.checkpoint,
            )

    def _open(self, path: str) -> SourceFile:
        if not path.startswith("/"):
            raise SourceNotAllowed(f"{path} is not below a root")
        return open_below(path, self.settings.current.agent.nas_roots, mounts=self.mounts)
