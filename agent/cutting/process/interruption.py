"""Requests to stop a cut, with a reason: an encode to be resumed may keep files, a cancelled one not."""

from __future__ import annotations

import threading
import time
from enum import Enum

from clipping.errors import Cancelled, GivenBack


class Reason(Enum):
    """Why a cut is interrupted."""

    CANCELLED = "cancelled"
    """The caller has cancelled the clip: no file is kept."""
    GIVEN_BACK = "given back"
    """Another agent, or a later attempt, makes the clip."""

    def error(self) -> Cancelled | GivenBack:
        """The exception that an interrupted cut ends with."""
        if self is Reason.CANCELLED:
            return Cancelled("the clip was cancelled")
        return GivenBack("the clip was given back before it was finished")


class Interruption:
    """A request to stop, with its reason. Thread-safe.

    Each step that can stop calls `raise_if_set`, or waits with `wait` instead of sleeping.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason: Reason | None = None
        self._until: float | None = None

    @property
    def reason(self) -> Reason | None:
        """Why to stop; None: continue."""
        return self._reason

    def set(self, reason: Reason) -> None:
        """Ask to stop. A later reason replaces an earlier one that was not acted on yet."""
        self._reason = reason  # before the event, so that a woken thread finds it
        self._event.set()

    @property
    def until(self) -> float | None:
        """When the cut is going to be given back, on `time.monotonic`; None: not at all."""
        return self._until

    @property
    def seconds_left(self) -> float | None:
        """Until then."""
        return None if self._until is None else self._until - time.monotonic()

    def wind_down(self, until: float | None) -> None:
        """The cut is going to be given back at `until`, on `time.monotonic`: it goes on as long as that is
        worthwhile. None: it is not any more."""
        self._until = until

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a request to stop; whether there is one."""
        return self._event.wait(timeout)

    def raise_if_set(self) -> None:
        """Raise `Cancelled` or `GivenBack` when asked to stop."""
        if self._reason is not None:
            raise self._reason.error()
