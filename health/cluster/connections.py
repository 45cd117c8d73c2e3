"""A member's connections: the lease, the leader's health page, the agents' documents, and its own checks.

It collects what they brought, describes that as an `Observation`, and starts the calls that are due. It
decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from clipping.contract.cluster import AgentRecord
from health.cluster.chores import Chores
from health.cluster.orders import Orders
from health.cluster.poller import HolderWatch
from health.cluster.ports import LocalAgent, Membership, Ports
from health.cluster.progress import Progress
from health.election.observation import LeaseView, Observation
from health.election.roles import State
from health.election.vitals import FAILED_CHECKS, Vitals
from health.lease.lease import Landed, LeaseHand
from health.lease.memory import Diary
from health.lease.schedule import LeaseSchedule, LeaseTask
from health.lease.sightings import Sightings
from health.page.metrics import RENEWALS


class Connections:
    """Not thread-safe. No call of it waits for a network or a disk, except that construction reads and writes
    the state directory: raises `ConfigurationError` when that can't be used."""

    def __init__(self, membership: Membership, ports: Ports, agent: LocalAgent) -> None:
        clock, calls, timings = ports.clock, ports.calls, membership.timings
        self._membership, self._agent = membership, agent
        self._diary = Diary(ports.memory, membership.me.instance, calls=calls, clock=clock)
        self._lease = LeaseHand(
            cluster=membership.cluster,
            me=membership.me,
            ttl=timings.ttl,
            store=ports.store,
            clock=clock,
            calls=calls,
            # The adapter ends its calls itself; this is for one that hangs all the same.
            limit=timings.call + 1,
            sightings=Sightings(self._diary.epoch),
        )
        self._schedule = LeaseSchedule(self._lease, timings)
        self._leader = HolderWatch(
            ports.poll, cluster=membership.cluster, timings=timings, calls=calls, clock=clock
        )
        self._chores = Chores(membership, ports)
        self._vitals = Vitals(agent.self_check, clock, timings.tick)
        self._started = clock.monotonic()

    @property
    def epoch(self) -> int:
        """The highest that this agent has led or seen."""
        return self._lease.observations.highest_epoch

    def check(self, now: float, *, due: float) -> bool:
        """Check this process itself. Returns whether its loop stood still since it was `due`, or a clock
        jumped: then all counting begins again."""
        gap = self._vitals.gap(now, due)
        if gap:
            self._lease.observations.restart(now)
            self._leader.restart()
        before = self._vitals.check
        self._vitals.look(now)
        after = self._vitals.check
        if (after.ok, not after.reasons) != (before.ok, not before.reasons):
            self.announce()
        return gap

    def collect(self, now: float) -> list[Landed]:
        """Take the results of calls that have ended. Returns the writes of the lease now in the store."""
        self._chores.collect(now)
        self._leader.collect(now)
        landed = []
        while self._lease.ready():
            write = self._lease.collect()
            if write is not None:
                landed.append(write)
            elif self._lease.goal == "renew" and self._lease.outcome in ("unknown", "lost"):
                RENEWALS.labels("failed").inc()
        return landed

    def observe(self, progress: Progress, orders: Orders, now: float, *, gap: bool) -> Observation:
        """Everything that the next decision depends on."""
        lease, check = self._lease.observations.view(now), self._vitals.check
        me, answered = self._membership.me, progress.answered
        aborted, giving_up = progress.aborted_at, progress.giving_up_since
        # There may be no lease of ours any more to give up.
        gone = lease.lease is None or lease.lease.instance != me.instance
        return Observation(
            state=progress.state,
            state_for=now - progress.since,
            me=me,
            timings=self._membership.timings,
            lease=lease,
            reachable=self._lease.reachable,
            elects=self._agent.elects,
            predecessors=self._diary.predecessors,
            owned=lease.lease is not None and self._lease.owned(lease.lease),
            outcome=self._lease.outcome,
            guard_remaining=self._agent.guard_remaining() or 0.0,
            failed_polls=self._leader.failures,
            eligible=check.ok and check.alive and orders.intake,
            reasons=check.reasons if orders.intake else (*check.reasons, "its intake is paused"),
            failed_checks=self._vitals.failed,
            wedged_checks=self._vitals.wedged,
            pause=self._chores.pause(),
            failover=self._chores.failover(),
            answered=answered,
            # What keeps us from working may keep them too, and they need a moment to report it.
            peers=self._chores.new_peers(now, since=self._vitals.failing_since, answered=answered),
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
            giving_up_for=None if giving_up is None else now - giving_up,
            given_up=progress.given_up or (giving_up is not None and gone),
            gap=gap,
        )

    def start(
        self, task: LeaseTask, progress: Progress, record: Callable[[], AgentRecord], now: float
    ) -> float:
        """Start the calls that are due. Returns when the next ones are, if none ends until then.

        `record` makes this agent's document when it is to be written.
        """
        due = float("inf")
        if self._agent.elects:
            due = self._schedule.run(task, now)
            watches = progress.state in (State.STANDBY, State.CANDIDATE)
            self._leader.follow(self._lease.observations.view(now) if watches else LeaseView())
            due = min(due, self._leader.start(now))
        wants_peers = progress.state is State.ACTIVE and (
            self._vitals.failed >= FAILED_CHECKS or self._chores.failover_pending(progress.answered)
        )
        due = min(due, self._chores.run(now, record, wants_peers=wants_peers))
        self._diary.note(self.epoch)
        return due

    def acquire(self, reason: str, now: float) -> None:
        """Ask the store for the lease."""
        self._schedule.acquire(reason, now)

    def renewed(self, sent_at: float) -> None:
        """A write that was sent then extends the lease."""
        self._schedule.renewed(sent_at)

    def settle(self) -> None:
        """Forget what became of earlier writes of the lease: a new state does not depend on it."""
        self._lease.settle()

    def announce(self) -> None:
        """Write this agent's document as soon as possible: it has changed."""
        self._chores.announce()

    def write_last(self, record: AgentRecord) -> None:
        """Write the document of an agent that has stopped."""
        self._chores.write_last(record)

    @property
    def writing(self) -> bool:
        """A call of the kind that writes the document is under way."""
        return self._chores.busy
