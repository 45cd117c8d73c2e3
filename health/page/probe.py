"""A check that may hang, in a thread of its own: a dead NAS blocks whoever looks at it.

One thread for each check, and never a second: a look that hangs costs that thread until it returns, and the
check says meanwhile for how long it has had no answer.
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

NOT_LOOKED = "not looked at yet"
AGAIN_SECONDS = 3.0
"""After a failed look the next one comes this soon, or sooner."""


@dataclass(frozen=True)
class _Outcome:
    ok: bool
    detail: str
    at: float


class Probe:
    """Looks every `interval` seconds. `look` returns in a few words what it saw, or raises an error of ours.

    A look that takes longer than `limit` seconds counts as failed. A check that was well fails after
    `patience` failed looks in a row. After a failed look the next one comes after `again` seconds, if that is
    sooner. Owns the thread `check-NAME`.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[], str],
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
        self._look = look
        self._interval, self._limit = interval, limit
        self._clock = clock
        self._patience = patience
        self._again = min(interval, again)
        self._essential, self._bars_lead = essential, bars_lead
        self._stop = False
        self._wake = threading.Event()
        self._looked = threading.Event()
        self._since: float | None = clock.monotonic()
        self._last: _Outcome | None = None
        self._told: bool | None = None
        self._thread = threading.Thread(target=self._run, name=f"check-{name}"[:60], daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """Look no more. A look that hangs is left behind."""
        self._stop = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def wait_first(self, timeout: float) -> bool:
        """Wait for the first look; False after `timeout` seconds without its answer."""
        return self._looked.wait(timeout)

    def hurry(self) -> None:
        """Look again now, or as soon as the look under way has ended."""
        self._wake.set()

    def check(self) -> Check:
        """The newest answer, or for how long there has been none. Never blocks."""
        now = self._clock.monotonic()
        since, last = self._since, self._last
        if since is not None and now - since > self._limit:
            check = self._made(False, f"no answer for {now - since:.0f} s", since)
        elif last is None:
            return self._made(False, NOT_LOOKED, now)
        else:
            check = self._made(last.ok, last.detail, last.at)
        told, self._told = self._told, check.ok
        if check.ok != told and not (check.ok and told is None):
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
            self._looked.set()
            self._wake.wait(self._again if failures else self._interval)
            if self._stop:
                return
            self._wake.clear()

    def _outcome(self) -> _Outcome:
        try:
            ok, detail = True, self._look()
        except ClippingError as error:
            ok, detail = False, error.message
        except Exception as error:  # a thread's root: a check that can't be made has failed
            log.exception("check.broken", check=self.name)
            ok, detail = False, f"the check itself failed: {error!r}"
        return _Outcome(ok, detail, self._clock.monotonic())
