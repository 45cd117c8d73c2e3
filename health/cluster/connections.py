"""A member's connections: the lease, the leader's health page, the agents' records, and its own self-checks.

Collects results, describes them as an `Observation`, and starts the calls that are due. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from clipping.contract.cluster import AgentRecord
from health.cluster.documents import ClusterDocuments
from health.cluster.orders import Orders
from health.cluster.poller import LeaderPoller
from health.cluster.ports import LocalAgent, Membership, Ports
from health.cluster.progress import Progress
from health.election.observation import LeaseView, Observation, TakeoverKind
from health.election.roles import State
from health.election.self_checks import FAILED_CHECKS, SelfChecks
from health.lease.client import ConfirmedWrite, LeaseClient
from health.lease.observations import LeaseObservations
from health.lease.persistence import StateSaver
from health.lease.schedule import LeaseSchedule, LeaseTask
from health.page.metrics import RENEWALS


class Connections:
    """Not thread-safe. Never blocks on network or disk, except for the constructor, which uses the state
    directory. Raises `ConfigurationError` when that can't be used."""

    def __init__(self, membership: Membership, ports: Ports, agent: LocalAgent) -> None:
        clock, calls, timings = ports.clock, ports.calls, membership.timings
        self._membership, self._agent = membership, agent
        self._saver = StateSaver(ports.state_storage, membership.me.instance, calls=calls, clock=clock)
        self._lease = LeaseClient(
            cluster=membership.cluster,
            me=membership.me,
            ttl=timings.ttl,
            store=ports.store,
            clock=clock,
            calls=calls,
            # The adapter limits its calls itself; this is for one that hangs anyway.
            limit=timings.call + 1,
            observations=LeaseObservations(self._saver.epoch),
        )
        self._schedule = LeaseSchedule(self._lease, timings)
        self._leader = LeaderPoller(
            ports.poll, cluster=membership.cluster, timings=timings, calls=calls, clock=clock
        )
        self._documents = ClusterDocuments(membership, ports)
        self._self_checks = SelfChecks(agent.self_check, clock, timings.tick)
        self._started = clock.monotonic()

    @property
    def epoch(self) -> int:
        """The highest that this agent has led or read."""
        return self._lease.observations.highest_epoch

    def check(self, now: float, *, due: float) -> bool:
        """Check this process itself. Returns whether its loop stalled since it was `due`, or a clock jumped:
        all counts are reset then."""
        gap = self._self_checks.gap(now, due)
        if gap:
            self._lease.observations.restart(now)
            self._leader.restart()
        before = self._self_checks.check
        self._self_checks.run(now)
        after = self._self_checks.check
        if (after.ok, not after.reasons) != (before.ok, not before.reasons):
            self.announce()
        return gap

    def collect(self, now: float) -> list[ConfirmedWrite]:
        """Take the results of calls that have ended. Returns the writes of the lease now in the store."""
        self._documents.collect(now)
        self._leader.collect(now)
        confirmed = []
        while self._lease.ready():
            write = self._lease.collect()
            if write is not None:
                confirmed.append(write)
            elif self._lease.goal == "renew" and self._lease.outcome in ("unknown", "lost"):
                RENEWALS.labels("failed").inc()
        return confirmed

    def observe(self, progress: Progress, orders: Orders, now: float, *, gap: bool) -> Observation:
        """Everything that the next decision depends on."""
        lease, check = self._lease.observations.view(now), self._self_checks.check
        me, answered = self._membership.me, progress.answered
        aborted, releasing = progress.aborted_at, progress.releasing_since
        # Another agent may have the lease by now, or it was deleted: there is nothing left to release.
        gone = lease.lease is None or lease.lease.instance != me.instance
        return Observation(
            state=progress.state,
            state_for=now - progress.since,
            me=me,
            timings=self._membership.timings,
            lease=lease,
            reachable=self._lease.reachable,
            elects=self._agent.elects,
            predecessors=self._saver.predecessors,
            owned=lease.lease is not None and self._lease.owned(lease.lease),
            outcome=self._lease.outcome,
            guard_remaining=self._agent.guard_remaining() or 0.0,
            failed_polls=self._leader.failures,
            eligible=check.ok and check.alive and orders.intake,
            reasons=check.reasons if orders.intake else (*check.reasons, "its intake is paused"),
            failed_checks=self._self_checks.failed,
            wedged_checks=self._self_checks.wedged,
            pause=self._documents.pause(),
            failover=self._documents.failover(),
            answered=answered,
            # The others may have the same problem, and need a moment to report it.
            peers=self._documents.new_peers(now, since=self._self_checks.failing_since, answered=answered),
            hold_down=self._lease.observations.hold_down(now),
            resigned=max(0.0, progress.resigned_until - now),
            uptime=now - self._started,
            candidate_wait=progress.candidate_wait,
            read_since_wait=self._lease.read_at >= progress.since + progress.candidate_wait,
            idle=self._agent.work.idle(),
            stop=orders.stop,
            resign=orders.resign,
            drain_fast=progress.drain_fast,
            aborted_for=None if aborted is None else now - aborted,
            releasing_for=None if releasing is None else now - releasing,
            released=progress.released or (releasing is not None and gone),
            gap=gap,
        )

    def start(
        self, task: LeaseTask, progress: Progress, record: Callable[[], AgentRecord], now: float
    ) -> float:
        """Start the calls that are due. Returns when the next ones are, if none ends until then.

        `record` makes this agent's record when it is due to be written.
        """
        due = float("inf")
        if self._agent.elects:
            due = self._schedule.run(task, now)
            watches = progress.state in (State.STANDBY, State.CANDIDATE)
            self._leader.follow(self._lease.observations.view(now) if watches else LeaseView())
            due = min(due, self._leader.start(now))
        wants_peers = progress.state is State.ACTIVE and (
            self._self_checks.failed >= FAILED_CHECKS or self._documents.failover_pending(progress.answered)
        )
        due = min(due, self._documents.run(now, record, wants_peers=wants_peers))
        self._saver.save_epoch(self.epoch)
        return due

    def acquire(self, reason: str, kind: TakeoverKind, now: float) -> None:
        """Try to acquire the lease."""
        self._schedule.acquire(reason, kind, now)

    def renewed(self, sent_at: float) -> None:
        """A write that was sent then extends the lease."""
        self._schedule.renewed(sent_at)

    def reset_outcome(self) -> None:
        """Ignore the outcome of earlier writes of the lease: a new state does not depend on it."""
        self._lease.reset_outcome()

    def announce(self) -> None:
        """Write this agent's record as soon as possible: it has changed."""
        self._documents.announce()

    def write_last(self, record: AgentRecord) -> None:
        """Write the record of an agent that has stopped."""
        self._documents.write_last(record)

    @property
    def writing(self) -> bool:
        """A call that may be the write of this agent's record is in progress."""
        return self._documents.busy
