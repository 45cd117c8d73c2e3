"""The intake of clips, controlled by the coordinator: opens and closes the lanes, drains, gives clips back.

The lanes pull while the coordinator wants work and no check prevents it: an unavailable NAS or a full disk
close the streams, and the requests wait in Pub/Sub instead of using up their attempts.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from agent.work.inflight import InFlight
from clipping.clock import Clock
from clipping.log import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 0.2
CLOSE_SECONDS = 5.0


class Streams(Protocol):
    """What is opened and closed: `Lanes`."""

    def open(self) -> None: ...

    def shut(self) -> None: ...

    def give_back(self) -> None: ...


class Intake:
    """Owns the thread `intake`, which opens and closes the streams: that may block for a moment.

    The calls of `health.election.roles.Work` return at once. `drain_seconds` is how long a drain
    may take.
    """

    def __init__(self, streams: Streams, in_flight: InFlight, clock: Clock, *, drain_seconds: float) -> None:
        self._streams, self._in_flight, self._clock = streams, in_flight, clock
        self._drain_seconds = drain_seconds
        self._changed = threading.Condition()
        self._wanted = False
        self._held: str | None = None
        self._open = False
        self._give_back_at: float | None = None
        self._closed = False
        self._beat = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread. The streams are not changed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(CLOSE_SECONDS)

    def begin(self) -> None:
        """Take work from now on, unless `hold` prevents it."""
        with self._changed:
            self._wanted, self._give_back_at = True, None
            self._in_flight.wind_down_all(None)
            self._changed.notify_all()

    def drain(self, *, fast: bool) -> None:
        """Take no new work. Finish what is in flight for `drain_seconds`, then (`fast`: now) give it back."""
        with self._changed:
            now = self._clock.monotonic()
            until = now + (0.0 if fast else self._drain_seconds)
            later = self._give_back_at is not None and self._give_back_at <= until and not self._wanted
            if not later:
                self._give_back_at = until
                # Not on our clock: other processes read it.
                self._in_flight.wind_down_all(time.monotonic() + until - now)
            self._wanted = False
            self._in_flight.shut()
            self._changed.notify_all()

    def rest(self) -> None:
        """Take no new work, and give nothing back."""
        with self._changed:
            self._wanted, self._give_back_at = False, None
            self._in_flight.shut()
            self._in_flight.wind_down_all(None)
            self._changed.notify_all()

    def abort(self) -> None:
        """Stop everything: nothing may be published any more."""
        with self._changed:
            self._wanted, self._give_back_at = False, None
            self._in_flight.shut()
            stopped = self._in_flight.give_back_all()
            self._changed.notify_all()
        self._log(stopped)

    def idle(self) -> bool:
        """The streams are closed and nothing is in flight."""
        return not self._wanted and not self._open and not self._in_flight.jobs()

    def hold(self, reason: str | None) -> None:
        """Take no new work for this reason, until called with None."""
        with self._changed:
            if reason == self._held:
                return
            if (reason is None) != (self._held is None):
                log.warning("intake.paused" if reason else "intake.resumed", reason=reason or self._held)
            self._held = reason
            self._changed.notify_all()

    @property
    def held(self) -> str | None:
        """Why no new work is taken although the coordinator wants some."""
        return self._held

    @property
    def pulling(self) -> bool:
        """Whether the streams are meant to be open."""
        return self._open

    def heartbeat_age(self) -> float:
        """Seconds since the loop last made progress."""
        return self._clock.monotonic() - self._beat

    def _run(self) -> None:
        while True:
            self._beat = self._clock.monotonic()
            with self._changed:
                if self._closed:
                    return
                want = self._wanted and self._held is None
                if not self._wanted:
                    self._streams.give_back()
                if want == self._open:
                    if not want:
                        self._finish()
                    self._changed.wait(LOOK_SECONDS)
                    continue
                self._open = True  # until `shut` has returned
            self._turn(want)

    def _turn(self, want: bool) -> None:
        if want:
            self._streams.open()
        else:
            self._streams.shut()
            with self._changed:
                self._open = False

    def _finish(self) -> None:
        """When the time for a drain is over, give back what is still in flight."""
        if self._give_back_at is None or self._clock.monotonic() < self._give_back_at:
            return
        self._give_back_at = None
        self._log(self._in_flight.give_back_all())

    def _log(self, stopped: int) -> None:
        if stopped:
            log.warning("agent.gave_back", clips=stopped)
