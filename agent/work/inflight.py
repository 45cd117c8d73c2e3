"""The clips that are in flight in this agent. A message that comes twice joins the work on its first copy."""

from __future__ import annotations

import threading

from agent.cutting import Interruption, Reason
from agent.work.state import Event, State, after
from clipping.contract.messages import Stage

_REASONS = {State.CANCELLED: Reason.CANCELLED, State.GIVEN_BACK: Reason.GIVEN_BACK}


class Work:
    """The work on one clip. Its state is thread-safe; the other attributes have one writer."""

    def __init__(self, request_id: str, at: float) -> None:
        self.request_id = request_id
        self.at = at
        """When it last reported, on the monotonic clock, in seconds."""
        self.stage: Stage = "waiting"
        self.progress_percent = 0.0
        self.seq = 0
        """How many reports this attempt has made."""
        self.interruption = Interruption()
        """Set when the work is to stop: for the engine."""
        self._state = State.RUNNING
        self._changed = threading.Condition()

    @property
    def state(self) -> State:
        """How it stands now."""
        return self._state

    def cancel(self) -> None:
        """The caller does not want the clip any more."""
        self._apply(Event.CANCEL)

    def give_back(self) -> None:
        """Another agent, or a later attempt, is to do it."""
        self._apply(Event.GIVE_BACK)

    def complete(self) -> None:
        """Its completion is published."""
        self._apply(Event.COMPLETE)

    def release(self) -> None:
        """It has ended without a completion, or it was deferred and its outage is over."""
        self._apply(Event.RELEASE)

    def defer(self) -> bool:
        """It has ended in an outage. False when it was asked to stop: then its message is not kept."""
        return self._apply(Event.DEFER) is State.DEFERRED

    def wait(self, timeout: float, *states: State) -> bool:
        """Wait at most `timeout` seconds for one of these states; whether it is reached."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state in states, timeout)

    def _apply(self, event: Event) -> State:
        with self._changed:
            state = after(self._state, event)
            if state is not self._state:
                self._state = state
                if state in _REASONS:
                    self.interruption.set(_REASONS[state])
                self._changed.notify_all()
            return state


class InFlight:
    """The clips in flight, by request id. Thread-safe. It takes none until it is opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, Work] = {}
        self._open = False

    def open(self) -> None:
        """Take work from now on."""
        with self._lock:
            self._open = True

    def shut(self) -> None:
        """Take no new work. What is in flight goes on."""
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

    def leave(self, work: Work) -> None:
        """The work is not in flight any more. The caller brings it to the state in which it ends."""
        with self._lock:
            del self._works[work.request_id]

    def give_back_all(self) -> int:
        """Ask for all work to be given back; how many clips there were."""
        with self._lock:
            for work in self._works.values():
                work.give_back()
            return len(self._works)

    def works(self) -> list[Work]:
        """The work in flight now."""
        with self._lock:
            return list(self._works.values())
