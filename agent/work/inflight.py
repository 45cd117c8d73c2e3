"""What this agent works on. A message that comes twice waits for the work in hand, and starts no second."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from clipping.contract.messages import Stage


@dataclass
class Work:
    """One clip in hand."""

    request_id: str
    at: float
    """When it last showed a sign of life, on the monotonic clock."""
    stage: Stage = "waiting"
    progress_percent: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    """Set: give the clip back, quickly."""
    halt: threading.Event = field(default_factory=threading.Event)
    """Set: stop cutting, because it is to be given back or was cancelled."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the work has ended, in whichever way."""
    seq: int = 0
    """How many reports this attempt has made."""
    cancelled: bool = False
    """The caller does not want it any more."""
    done: bool = False
    """Its completion is published: every message that asked for it may be acknowledged."""

    def give_back(self) -> None:
        """Another agent, or a later attempt, is to do it."""
        self.stop.set()
        self.halt.set()

    def cancel(self) -> None:
        """Nobody is to do it."""
        self.cancelled = True
        self.halt.set()


class InFlight:
    """The clips in hand, by request id. Thread-safe. It takes none until it is opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, Work] = {}
        self._open = False

    def open(self) -> None:
        """Take work from now on."""
        with self._lock:
            self._open = True

    def shut(self) -> None:
        """Take no new work. What is in hand goes on."""
        with self._lock:
            self._open = False

    def enter(self, request_id: str, now: float) -> tuple[Work, bool] | None:
        """The work on this request, and whether it is new, the caller's to do. None when none is taken."""
        with self._lock:
            if not self._open:
                return None
            work = self._works.get(request_id)
            if work is not None:
                return work, False
            work = self._works[request_id] = Work(request_id, now)
            return work, True

    def leave(self, work: Work, *, done: bool) -> None:
        """The work has ended."""
        with self._lock:
            del self._works[work.request_id]
        work.done = done
        work.over.set()

    def stop_all(self) -> int:
        """Ask every work to be given back; how many there were."""
        with self._lock:
            for work in self._works.values():
                work.give_back()
            return len(self._works)

    def works(self) -> list[Work]:
        """What is in hand now."""
        with self._lock:
            return list(self._works.values())
