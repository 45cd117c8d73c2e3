"""Runs a check that may hang in a separate thread: a dead NAS blocks every thread that accesses it.

One thread per check, never a second: an attempt that hangs occupies that thread until it returns, and the
check reports meanwhile for how long there has been no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from clipping.clock import Clock
from clipping.errors import ClippingError
from clipping.log import get_logger
from health.page.snapshot import Check

log = get_logger(__name__)

NOT_CHECKED = "not checked yet"
AGAIN_SECONDS = 3.0
"""After a failed attempt the next one is made this soon, or sooner."""


@dataclass(frozen=True)
class _Outcome:
    ok: bool
    detail: str
    at: float


class Probe:
    """Calls `attempt` every `interval` seconds; it returns a short finding, or raises a `ClippingError`.

    An attempt that takes longer than `limit` seconds counts as failed. A passing check fails after `patience`
    failed attempts in a row. After a failed attempt the next one is made after `again` seconds, if that is
    sooner. Owns the thread `check-NAME`.
    """

    def __init__(
        self,
        name: str,
        attempt: Callable[[], str],
        *,
        interval: float,
        limit: float,
        clock: Clock,
        patience: int = 1,
        again: float = AGAIN_SECONDS,
        essential: bool = True,
        bars_lead: bool = False,
    ) -> None:
        self.name = name
        self._attempt = attempt
        self._interval, self._limit = interval, limit
        self._clock = clock
        self._patience = patience
        self._again = min(interval, again)
        self._essential, self._bars_lead = essential, bars_lead
        self._stop = False
        self._wake = threading.Event()
        self._checked = threading.Event()
        self._since: float | None = clock.monotonic()
        self._last: _Outcome | None = None
        self._reported: bool | None = None
        self._thread = threading.Thread(target=self._run, name=f"check-{name}"[:60], daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """Stop checking. An attempt that hangs is abandoned."""
        self._stop = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def wait_first(self, timeout: float) -> bool:
        """Wait for the first result; False after `timeout` seconds without one."""
        return self._checked.wait(timeout)

    def check_now(self) -> None:
        """Make the next attempt now, or as soon as the one in progress has ended."""
        self._wake.set()

    def check(self) -> Check:
        """The newest result, or for how long there has been none. Never blocks."""
        now = self._clock.monotonic()
        since, last = self._since, self._last
        if since is not None and now - since > self._limit:
            check = self._made(False, f"no answer for {now - since:.0f} s", since)
        elif last is None:
            return self._made(False, NOT_CHECKED, now)
        else:
            check = self._made(last.ok, last.detail, last.at)
        reported, self._reported = self._reported, check.ok
        if check.ok != reported and not (check.ok and reported is None):
            level = log.info if check.ok else log.warning
            level("check.changed", check=self.name, ok=check.ok, detail=check.detail)
        return check

    def _made(self, ok: bool, detail: str, at: float) -> Check:
        return Check(ok, detail, at, essential=self._essential, bars_lead=self._bars_lead)

    def _run(self) -> None:
        failures = 0
        while True:
            self._since = self._clock.monotonic()
            outcome = self._outcome()
            failures = 0 if outcome.ok else failures + 1
            if failures == 0 or failures >= self._patience or self._last is None or not self._last.ok:
                self._last = outcome
            self._since = None
            self._checked.set()
            self._wake.wait(self._again if failures else self._interval)
            if self._stop:
                return
            self._wake.clear()

    def _outcome(self) -> _Outcome:
        try:
            ok, detail = True, self._attempt()
        except ClippingError as error:
            ok, detail = False, error.message
        except Exception as error:  # the thread's root: a check that can't be made has failed
            log.exception("check.broken", check=self.name)
            ok, detail = False, f"the check itself failed: {error!r}"
        return _Outcome(ok, detail, self._clock.monotonic())
