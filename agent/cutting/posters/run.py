"""The daemon's side: starts the process that makes the posters of a clip, and waits for it, not for long."""

from __future__ import annotations

import time
from pathlib import Path

from agent.cutting.posters.orders import PosterOrder, Posters
from agent.cutting.process.child import JobCrashed
from agent.cutting.process.client import ForkServer, Job
from agent.cutting.process.protocol import Done, Exited, Failed
from agent.cutting.reading.source import open_path
from clipping.errors import EncoderFailed, ProcessDied, TimeLimit
from clipping.log import get_logger

log = get_logger(__name__)

JOB = "agent.cutting.posters.make"
"""The module that the process runs."""
_LOOK_SECONDS = 0.1


class PosterRun:
    """The posters of one clip, being made. Close it: a process that is still there is then killed."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def result(self, timeout: float) -> Posters:
        """The files, after at most `timeout` seconds. Call it once.

        Raises what the job raised (`SourceCorrupt`, `SourceHasNoVideo`, `TooLarge`, `EncoderFailed`),
        `ProcessDied` and `TimeLimit`.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            for message in self._job.messages(min(left, _LOOK_SECONDS)):
                match message:
                    case Done(Posters() as made):
                        return made
                    case Failed(JobCrashed() as crash):
                        log.error("poster.crashed", traceback=str(crash))
                        raise EncoderFailed("the poster failed because of a bug: see the agent's log")
                    case Failed(error):
                        raise error
                    case Exited() | None:
                        raise ProcessDied("the poster's process ended without a result")
            if not left:
                raise TimeLimit("timed out: the clip's link does not wait longer for its poster")

    def close(self) -> None:
        """End the process, if it is still there."""
        self._job.close()


def start(server: ForkServer, clip: Path, folder: Path, max_pixels: int, *, encoded: bool) -> PosterRun:
    """Start making the posters of the file `clip` in `folder`, which exists. Does not wait.

    Raises `EngineUnavailable`, `SourceNotFound`, `SourceUnavailable` and `SourceCorrupt` (an empty file).
    """
    with open_path(clip) as source:
        order = PosterOrder(source.name, source.identity, folder, max_pixels, encoded)
        return PosterRun(server.run(f"{JOB}:make_posters", order, descriptors=(source.descriptor,)))
