"""What this agent works on. A message that comes twice waits for the work in hand, and starts no second."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from clipping.messages import Stage


@dataclass
class Work:
    """One clip in hand."""

    request_id: str
    stage: Stage = "waiting"
    progress_percent: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    """Set: give the clip up, quickly."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the work has ended, in whichever way."""
    done: bool = False
    """Its completion is published: every message that asked for it may be acknowledged."""


class InFlight:
    """The clips in hand, by request id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, Work] = {}

    def enter(self, request_id: str) -> tuple[Work, bool]:
        """The work on this request, and whether it is new, the caller's to do."""
        with self._lock:
            work = self._works.get(request_id)
            if work is not None:
                return work, False
            work = self._works[request_id] = Work(request_id)
            return work, True

    def leave(self, work: Work, *, done: bool) -> None:
        """The work has ended."""
        with self._lock:
            del self._works[work.request_id]
        work.done = done
        work.over.set()

    def stop_all(self) -> int:
        """Ask every work to give up; how many there were."""
        with self._lock:
            for work in self._works.values():
                work.stop.set()
            return len(self._works)

    def works(self) -> list[Work]:
        """What is in hand now."""
        with self._lock:
            return list(self._works.values())
