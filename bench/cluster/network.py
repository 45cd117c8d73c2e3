"""The network between agents and store, which loses, delays and duplicates requests and loses responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from bench.cluster.world import World
from clipping.errors import ClippingError, StoreUnavailable

T = TypeVar("T")


@dataclass(frozen=True)
class FaultRates:
    """Probabilities of a call's faults. Times in seconds."""

    typical: float = 0.08
    """The mean one-way delay."""
    request_lost: float = 0.0
    answer_lost: float = 0.0
    """The store has applied the call, but the response is lost."""
    doubled: float = 0.0
    late: float = 0.0
    """The one-way delay is up to `latest`."""
    latest: float = 40.0
    refused: float = 0.0
    """429 or 503; the call is not applied."""
    refused_after: float = 0.0
    """503, although the call was applied."""


FAIR = FaultRates()
ROUGH = FaultRates(
    typical=0.15,
    request_lost=0.03,
    answer_lost=0.04,
    doubled=0.04,
    late=0.04,
    refused=0.02,
    refused_after=0.02,
)
STORM = FaultRates(typical=0.4, answer_lost=0.1, late=0.1, refused=0.6, refused_after=0.1)


class Caller(Protocol):
    """The process that makes a call."""

    @property
    def paused_until(self) -> float: ...

    def sends(self, name: str) -> None: ...

    def alive(self) -> bool: ...

    def wake(self) -> None: ...

    def reaches_store(self) -> bool: ...

    def reaches_peers(self) -> bool: ...


class SimulatedCall(Generic[T]):
    """A call in flight in the simulated network."""

    def __init__(self) -> None:
        self.done = False
        self._value: T
        self._error: ClippingError | None = None

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value

    def succeed(self, value: T) -> None:
        self._value, self.done = value, True

    def fail(self, error: ClippingError) -> None:
        self._error, self.done = error, True


class SimulatedCalls:
    """`health.lease.calls.Calls` for one process.

    A call takes effect when it arrives at the store, even if its sender has died.
    """

    def __init__(self, world: World, network: Network, caller: Caller, timeout: float) -> None:
        self._world, self._network, self._caller, self._timeout = world, network, caller, timeout

    def submit(self, name: str, call: Callable[[], T]) -> SimulatedCall[T]:
        pending: SimulatedCall[T] = SimulatedCall()
        if name == "state":  # a local disk
            pending.succeed(call())
            return pending
        self._world.after(self._timeout, lambda: self._time_out(pending))
        self._caller.sends(name)
        if name == "poll":
            self._network.poll(self._caller, pending, call)
        else:
            self._network.send(self._caller, pending, call)
        return pending

    def _time_out(self, pending: SimulatedCall[T]) -> None:
        """The adapter's timeout. A paused process does not notice it; when resumed, it first processes the
        responses that arrived meanwhile."""
        if pending.done or not self._caller.alive():
            return
        if self._caller.paused_until > self._world.now:
            self._world.at(self._caller.paused_until, lambda: self._time_out(pending))
            return
        pending.fail(StoreUnavailable("simulated: timed out"))
        self._caller.wake()


class Network:
    """The connections between processes and the store."""

    def __init__(self, world: World, rates: FaultRates) -> None:
        self._world, self.rates = world, rates
        self.counts: dict[str, int] = {}

    def send(self, caller: Caller, pending: SimulatedCall[T], call: Callable[[], T]) -> None:
        rng, rates = self._world.rng, self.rates
        if not caller.reaches_store() or rng.random() < rates.request_lost:
            self._note("lost")
            return
        if rng.random() < rates.refused:
            self._note("refused")
            self._world.after(self._way(), lambda: self._fail(caller, pending, "429"))
            return
        copies = 2 if rng.random() < rates.doubled else 1
        answering = rng.randrange(copies)
        if copies == 2:
            self._note("doubled")
        for copy in range(copies):
            arrive = partial(self._arrive, caller, pending, call, copy == answering)
            self._world.after(self._way(), arrive)

    def poll(self, caller: Caller, pending: SimulatedCall[T], call: Callable[[], T]) -> None:
        """A call between two agents; lost ones time out."""
        rng = self._world.rng

        def arrive() -> None:
            value = call()
            if not pending.done and caller.alive() and caller.reaches_peers():
                pending.succeed(value)
                caller.wake()

        if caller.reaches_peers() and rng.random() >= self.rates.request_lost:
            self._world.after(self._way() + self._way(), arrive)

    def _arrive(
        self, caller: Caller, pending: SimulatedCall[T], call: Callable[[], T], answers: bool
    ) -> None:
        rng, rates = self._world.rng, self.rates
        error: ClippingError | None = None
        value: T | None = None
        try:
            value = call()
        except ClippingError as raised:
            error = raised
        if not answers:
            return
        if rng.random() < rates.answer_lost or not caller.reaches_store():
            self._note("response lost")
            return
        if rng.random() < rates.refused_after:
            self._note("applied and refused")
            error = StoreUnavailable("simulated: 503")

        def deliver() -> None:
            if pending.done or not caller.alive():
                return
            if error is not None:
                pending.fail(error)
            else:
                pending.succeed(value)  # type: ignore[arg-type]
            caller.wake()

        self._world.after(self._way(), deliver)

    def _fail(self, caller: Caller, pending: SimulatedCall[T], status: str) -> None:
        if not pending.done and caller.alive():
            pending.fail(StoreUnavailable(f"simulated: {status}"))
            caller.wake()

    def _way(self) -> float:
        rng, rates = self._world.rng, self.rates
        if rng.random() < rates.late:
            self._note("late")
            return rng.uniform(0.5, rates.latest)
        return rng.expovariate(1 / rates.typical)

    def _note(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
