"""The poster and the contact sheet of a clip: made while it is uploaded, and put beside it.

The clip's link waits for them for two seconds at most; after a long cut for a twentieth of its time, 20
seconds at most. What can't be made or stored by then is left out: the clip is delivered all the same. An
attempt that finds the clip of an earlier one in the store makes no posters: it delivers those that lie
beside it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.cutting import Engine
from agent.cutting.posters.orders import Posters
from agent.cutting.posters.run import PosterRun
from agent.metrics import POSTERS
from agent.work.aside import Aside
from agent.work.delivery import Courier, Stored
from clipping.contract.choices import Beside
from clipping.contract.reel import WorkMessage
from clipping.errors import ClippingError, SourceNotFound
from clipping.log import get_logger

log = get_logger(__name__)

LEAST_SECONDS = 2.0
"""How long the link waits at least, if that is needed: it mostly is on a machine that is overloaded."""
MOST_SECONDS = 20.0
SHARE = 0.05
"""Of the time that the clip took: how long the link waits, if that is between the two. Meanwhile nothing can
interrupt the attempt."""


def waits(took: float) -> float:
    """Seconds that the link of a clip waits for its posters. `took`: seconds that the clip took."""
    return max(LEAST_SECONDS, min(MOST_SECONDS, SHARE * took))


class PosterWork:
    """The posters of one attempt. Used in one thread."""

    def __init__(self, engine: Engine, courier: Courier, message: WorkMessage, folder: Path) -> None:
        """`folder`: does not exist yet."""
        self._engine, self._courier, self._message, self._folder = engine, courier, message, folder
        self._since = time.monotonic()
        self.begun = False
        """Whether they are made of the file that `begin` was called with last, or can't be made."""
        self._run: PosterRun | None = None

    def begin(self, clip: Path) -> None:
        """Begin to make them of this file. Does not wait, and raises nothing."""
        self.close()
        self.begun = False
        # Another one each time: a process that is being killed may still write into the last one.
        folder = self._folder / secrets.token_hex(4)
        try:
            folder.mkdir(parents=True)
            self._run = self._engine.posters(clip, folder, encoded=self._message.mode == "encode")
        except SourceNotFound:
            return  # it has been verified, and renamed, before this thread came to it
        except (ClippingError, OSError) as error:
            self._left_out(str(error))
        self.begun = True

    def deliver(self, stored: Stored, *, epoch: int) -> Stored:
        """The clip with its posters, as far as they are in the store in time. Raises nothing."""
        if self._run is None:
            return stored
        now = time.monotonic()
        until = now + waits(now - self._since)
        try:
            made = self._run.result(until - now)
        except ClippingError as error:
            self._left_out(error.message, error.code)
            return stored
        files, failures = self._stored(made, epoch).wait(until)
        if failures:
            self._left_out("; ".join(f"{file}: {why}" for file, why in failures.items()))
        else:
            POSTERS.labels("stored").inc()
        return replace(stored, beside={**stored.beside, **files})

    def _stored(self, made: Posters, epoch: int) -> Aside[Beside, str]:
        def put(file: Beside, path: Path) -> str:
            return self._courier.add(file, path, self._message, epoch=epoch)

        return Aside(
            {
                "poster": lambda: put("poster", made.poster),
                "contact_sheet": lambda: put("contact_sheet", made.sheet),
            },
            name="poster-upload",
        )

    def _left_out(self, reason: str, code: str | None = None) -> None:
        POSTERS.labels("left_out").inc()
        log.warning("poster.left_out", request_id=self._message.request_id, code=code, error=reason)

    def close(self) -> None:
        """End what still runs."""
        if self._run is not None:
            self._run.close()
            self._run = None


@dataclass(frozen=True)
class PosterMaker:
    """Makes posters. One for the process; thread-safe."""

    engine: Engine
    courier: Courier

    @contextmanager
    def of(self, message: WorkMessage, folder: Path) -> Iterator[PosterWork]:
        """Those of one attempt, in a new folder in `folder`."""
        work = PosterWork(self.engine, self.courier, message, folder / "posters")
        try:
            yield work
        finally:
            work.close()
