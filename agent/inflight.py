"""What this agent is working on. A message that comes twice joins the work in hand, and starts no second."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from clipping.bus.subscriber import Delivery
from clipping.messages import Stage


@dataclass
class Work:
    """One clip in hand."""

    request_id: str
    deliveries: list[Delivery]
    stage: Stage = "waiting"
    progress_percent: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    """Set: give the clip up, quickly."""


class InFlight:
    """The clips in hand, by request id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, Work] = {}

    def join(self, request_id: str, delivery: Delivery) -> Work | None:
        """The new work to do; None when it is in hand already: its end settles this delivery too."""
        with self._lock:
            work = self._works.get(request_id)
            if work is not None:
                work.deliveries.append(delivery)
                return None
            work = self._works[request_id] = Work(request_id, [delivery])
            return work

    def leave(self, work: Work) -> list[Delivery]:
        """The work is over: every delivery that has to be settled. Nobody can join any more."""
        with self._lock:
            del self._works[work.request_id]
            return work.deliveries

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
