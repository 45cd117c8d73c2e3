"""A job: the work on one clip in this agent. One state: running, to be stopped, or ended."""

from __future__ import annotations

import threading

from agent.cutting import Interruption, Reason
from agent.work.job_state import Event, State, after
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Stage
from clipping.contract.messages import PartProgress

_REASONS = {State.CANCELLED: Reason.CANCELLED, State.GIVEN_BACK: Reason.GIVEN_BACK}


class Job:
    """The work on one clip. Its state is thread-safe; the other attributes are written by one thread."""

    def __init__(self, request_id: str, at: float) -> None:
        self.request_id = request_id
        self.at = at
        """When it last reported, on the monotonic clock, in seconds."""
        self.stage: Stage = "waiting"
        self.progress_percent = 0.0
        self.checkpoint: Checkpoint | None = None
        """What of a long encode is finished and kept."""
        self.parts: tuple[PartProgress, ...] = ()
        """Of a reel: how far each part is."""
        self.seq = 0
        """The number of reports of this attempt."""
        self.interruption = Interruption()
        """For the engine: set when the job is to stop."""
        self._state = State.RUNNING
        self._changed = threading.Condition()

    @property
    def state(self) -> State:
        """Whether it runs, is to stop, or has ended."""
        return self._state

    def cancel(self) -> None:
        """The caller does not want the clip any more."""
        self._apply(Event.CANCEL)

    def give_back(self) -> None:
        """Another agent, or a later attempt, does it."""
        self._apply(Event.GIVE_BACK)

    def wind_down(self, until: float | None) -> None:
        """It is going to be given back at `until`, on `time.monotonic`, if it has not ended by then; None: it
        is not any more."""
        self.interruption.wind_down(until)

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
