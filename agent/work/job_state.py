"""The states of a job (one clip's work in this agent), and the transitions between them. Pure.

```
RUNNING ──cancel──> CANCELLED ──give back──> GIVEN_BACK        asked to stop, not ended yet
each of them ──complete──> COMPLETED                           its completion is published
             ──release──> RELEASED                             its message goes back to Pub/Sub
RUNNING ──defer──> DEFERRED ──any but complete──> RELEASED     its message is kept until an outage is over
```

Giving back takes precedence over cancelling: an agent that has to release a clip does not wait to report its
cancellation. The next attempt finds the cancellation in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto


class State(Enum):
    """Whether a job runs, is to stop, or has ended."""

    RUNNING = auto()
    CANCELLED = auto()
    """The caller has cancelled the clip; a completion that says so will be published."""
    GIVEN_BACK = auto()
    """Another agent, or a later attempt, does it: stop, and publish nothing."""
    DEFERRED = auto()
    """The attempt has ended in an outage. The message is kept until the outage is over."""
    RELEASED = auto()
    """The attempt has ended without a completion. The message goes back to Pub/Sub."""
    COMPLETED = auto()
    """The completion is published. Every message that asked for the clip may be acknowledged."""


class Event(Enum):
    """What happens to a job."""

    CANCEL = auto()
    GIVE_BACK = auto()
    COMPLETE = auto()
    RELEASE = auto()
    DEFER = auto()


INTERRUPTED = frozenset({State.CANCELLED, State.GIVEN_BACK})
ENDED = frozenset({State.DEFERRED, State.RELEASED, State.COMPLETED})

_TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.RUNNING: {
        Event.CANCEL: State.CANCELLED,
        Event.GIVE_BACK: State.GIVEN_BACK,
        Event.COMPLETE: State.COMPLETED,
        Event.RELEASE: State.RELEASED,
        Event.DEFER: State.DEFERRED,
    },
    State.CANCELLED: {
        Event.CANCEL: State.CANCELLED,
        Event.GIVE_BACK: State.GIVEN_BACK,
        Event.COMPLETE: State.COMPLETED,
        Event.RELEASE: State.RELEASED,
        Event.DEFER: State.RELEASED,
    },
    State.GIVEN_BACK: {
        Event.CANCEL: State.GIVEN_BACK,
        Event.GIVE_BACK: State.GIVEN_BACK,
        Event.COMPLETE: State.COMPLETED,
        Event.RELEASE: State.RELEASED,
        Event.DEFER: State.RELEASED,
    },
    State.DEFERRED: {
        Event.CANCEL: State.RELEASED,
        Event.GIVE_BACK: State.RELEASED,
        Event.RELEASE: State.RELEASED,
    },
    State.RELEASED: {
        Event.CANCEL: State.RELEASED,
        Event.GIVE_BACK: State.RELEASED,
        Event.RELEASE: State.RELEASED,
    },
    State.COMPLETED: {
        Event.CANCEL: State.COMPLETED,
        Event.GIVE_BACK: State.COMPLETED,
    },
}
"""A request to stop may arrive at any time, also too late. A job ends once."""


class IllegalTransition(Exception):
    """A bug: this event can't happen in this state."""


def after(state: State, event: Event) -> State:
    """The state after an event. Raises `IllegalTransition`."""
    try:
        return _TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"{event.name} in the state {state.name}") from None
