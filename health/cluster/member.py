"""One agent's part in its cluster, one step at a time: collect results, decide, act, start calls.

No threads, no waiting: `step` returns when it is to be called next, or earlier when a call has ended.
The thread around it is in `coordinator.py`; tests and models drive it step by step.
"""

from __future__ import annotations

from dataclasses import replace

from clipping.contract.cluster import AgentRecord
from clipping.log import get_logger
from health.cluster import reports
from health.cluster.connections import Connections
from health.cluster.orders import Orders
from health.cluster.ports import LocalAgent, Membership, Ports
from health.cluster.progress import Progress
from health.election.election import decide
from health.election.intents import targets_me
from health.election.observation import (
    Abort,
    Acquire,
    Action,
    Answer,
    Begin,
    Decision,
    Drain,
    Exit,
    Read,
    Release,
)
from health.election.roles import RoleView, State
from health.election.timings import CANDIDATE_JITTER_SECONDS, CANDIDATE_RANK_SECONDS
from health.lease.client import ConfirmedWrite
from health.lease.schedule import LeaseTask
from health.page.metrics import RENEWALS, TAKEOVERS

log = get_logger(__name__)

LEAST_SECONDS = 0.02
"""Between two steps, unless a call ends."""
ROUNDS = 5
"""How many states one step may pass through, at most."""


class Member:
    """Carries out the decisions of `election.decide`. Not thread-safe, except for the orders and `view`."""

    def __init__(self, membership: Membership, ports: Ports, agent: LocalAgent) -> None:
        """Raises `ConfigurationError` when the state directory can't be used."""
        now = ports.clock.monotonic()
        self._membership, self._clock, self._rng, self._agent = membership, ports.clock, ports.rng, agent
        self._connections = Connections(membership, ports, agent)
        self._orders = Orders()
        self._intake = True
        """As ordered at the last step."""
        self._progress = Progress(since=now)
        self._seen = self._connections.observe(self._progress, self._orders, now, gap=False)
        self._started_at, self._due = ports.clock.now(), now

    # Orders, from any thread.

    def order_stop(self, *, fast: bool) -> None:
        """Drain, release the lease, stop."""
        self._orders.request_stop(fast=fast)

    def order_resign(self) -> None:
        """Resign as the leader, and hold back for a while."""
        self._orders.resign = True

    def order_intake(self, intake: bool) -> None:
        """Accept new clips, or stop accepting them."""
        self._orders.intake = intake

    @property
    def state(self) -> State:
        return self._progress.state

    @property
    def exit_code(self) -> int | None:
        """The code with which this agent ends by its own decision; None: it does not."""
        return self._progress.exit_code

    def view(self) -> RoleView:
        """As of the last step, except for the guard, which runs out between steps. From any thread."""
        return reports.view(
            self._seen,
            self._progress,
            guard_remaining=self._agent.guard_remaining(),
            epoch=self._connections.epoch,
            intake=self._orders.intake,
        )

    def write_last(self) -> None:
        """After the stop: write this agent's record once more, so that no other agent relies on it."""
        self._connections.write_last(self._record())

    @property
    def writing(self) -> bool:
        """That write is in progress."""
        return self._connections.writing

    def step(self) -> float:
        """One round. Returns the time on the monotonic clock at which the next is due."""
        now = self._clock.monotonic()
        # Some time may pass between the construction and the first step.
        gap = self._connections.check(now, due=self._due if self.state is not State.INIT else now)
        self._take_orders(now)
        for write in self._connections.collect(now):
            self._confirm(write)
        for _ in range(ROUNDS):
            before = self.state
            decision = self._decide(now, gap=gap)
            if self.state == before:
                break
        if self.state is State.ACTIVE:
            self._follow_intake()
        due = self._progress.due(
            now, timings=self._membership.timings, guard_remaining=self._agent.guard_remaining()
        )
        if self.state is not State.STOPPED:
            task = self._lease_task(decision)
            due = min(due, self._connections.start(task, self._progress, self._record, now))
        self._due = max(due, now + LEAST_SECONDS)
        return self._due

    # What happened since the last step.

    def _take_orders(self, now: float) -> None:
        if self._orders.intake != self._intake:
            self._intake = self._orders.intake
            self._connections.announce()
        if self._orders.resign and self.state in (State.STANDBY, State.CANDIDATE, State.FENCED):
            self._progress, self._orders.resign = self._progress.hold_back(now), False

    def _confirm(self, write: ConfirmedWrite) -> None:
        """A write of the lease is in the store."""
        if write.goal == "release":
            self._progress = self._progress.confirm_release()
        elif self._agent.guard is not None and self._progress.keeps_lease:
            self._connections.renewed(write.sent_at)
            if write.goal == "renew":
                RENEWALS.labels("good").inc()
            self._agent.guard.renewed(write.lease.epoch, write.sent_at)

    # Deciding.

    def _decide(self, now: float, *, gap: bool) -> Decision:
        self._seen = self._connections.observe(self._progress, self._orders, now, gap=gap)
        decision = decide(self._seen)
        if decision.state != self.state:
            log.info("cluster.state", old=self.state, new=decision.state, reason=decision.reason)
            self._enter(decision, now)
        elif decision.reason != self._progress.reason:
            log.info("cluster.why", state=self.state, reason=decision.reason)
        self._progress = replace(self._progress, reason=decision.reason)
        for action in decision.actions:
            self._progress = self._progress.after(action, now)
            self._act(action, now)
        return decision

    def _enter(self, decision: Decision, now: float) -> None:
        state = decision.state
        if state.role != self.state.role:
            self._connections.announce()
        if state in (State.STANDBY, State.FENCED, State.STOPPED) and self._agent.guard is not None:
            self._agent.guard.drop()
        if state is not State.ACQUIRING:
            self._connections.reset_outcome()
        if state in (State.STANDBY, State.ACTIVE):
            self._orders.resign = False
        wait = 0.0 if decision.at_once else self._draw_wait()
        self._progress = self._progress.enter(state, now, candidate_wait=wait)

    def _draw_wait(self) -> float:
        rank_seconds = CANDIDATE_RANK_SECONDS * self._membership.me.rank
        return rank_seconds + self._rng.uniform(0, CANDIDATE_JITTER_SECONDS)

    def _lease_task(self, decision: Decision) -> LeaseTask:
        return LeaseTask(
            self.state,
            renew=decision.renews,
            read_now=Read() in decision.actions,
            read_often=targets_me(self._seen),
            release=self._progress.release,
        )

    # Acting.

    def _act(self, action: Action, now: float) -> None:
        work, guard = self._agent.work, self._agent.guard
        match action:
            case Begin():
                if guard is not None:
                    TAKEOVERS.labels(self._progress.takeover).inc()
                self._follow_intake()
            case Drain(fast):
                work.drain(fast=fast)
            case Abort():
                work.abort()
            case Acquire(reason, kind):
                self._connections.acquire(reason, kind, now)
            case Release() if guard is not None:
                guard.drop()
            case Answer(operation_id, accepted, reason):
                level = log.info if accepted else log.warning
                level("cluster.failover", operation_id=operation_id, accepted=accepted, reason=reason)
                self._connections.announce()
            case Exit(code):
                log.error("cluster.exit", code=code, reason=self._progress.reason)
                if self.state is not State.STOPPED:
                    self._agent.exit(code)

    def _follow_intake(self) -> None:
        """Open or close the streams of an active agent, as ordered."""
        if self._progress.streams_open == self._intake:
            return
        self._progress = replace(self._progress, streams_open=self._intake)
        if self._intake:
            self._agent.work.begin()
        else:
            self._agent.work.rest()

    def _record(self) -> AgentRecord:
        return reports.record(
            self._seen,
            self._progress,
            self._agent.facts(),
            cluster=self._membership.cluster,
            epoch=self._connections.epoch,
            started_at=self._started_at,
            now=self._clock.now(),
        )
