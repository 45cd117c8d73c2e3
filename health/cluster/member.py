"""One agent's part in its cluster, one step at a time: collect what came back, decide, act, start calls.

No threads, no waiting: `step` returns when it wants to be called next, or earlier when a call has ended.
The thread around it is in `coordinator.py`; tests and models step it by hand.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from clipping.clock import Clock
from clipping.contract.cluster import AgentRecord, IntentAnswer
from clipping.log import get_logger
from clipping.store.port import Store
from health.cluster import telling
from health.cluster.chores import Chores
from health.cluster.poller import HolderWatch, PollFunction
from health.election.election import decide
from health.election.observation import (
    Abort,
    Acquire,
    Action,
    Answer,
    Begin,
    Drain,
    Exit,
    GiveUp,
    LeaseView,
    Look,
    Observation,
    Resign,
    TakeoverKind,
)
from health.election.roles import FactTeller, Identity, RoleView, SelfChecker, State, Work
from health.election.timings import RESIGNED_SECONDS, Timings
from health.election.vitals import FAILED_CHECKS, Vitals
from health.lease.calls import Calls
from health.lease.duty import LeaseDuty
from health.lease.guard import Guard
from health.lease.lease import Landed, LeaseHand
from health.lease.memory import Diary, Memory
from health.lease.sightings import Sightings
from health.page.metrics import RENEWALS, TAKEOVERS

log = get_logger(__name__)

BUSY_SECONDS = 0.2
"""How often work that ends is looked at."""
LEAST_SECONDS = 0.02
CANDIDATE_RANK_SECONDS = 2.0
CANDIDATE_JITTER_SECONDS = 1.0
ROUNDS = 5
"""So many states in one step, at most."""
NEVER = float("-inf")


class Member:
    """Decisions are `election.decide`'s; this is its eyes and hands. Not thread-safe but for the orders
    (`order_stop` and below), which only leave a note for the next step."""

    def __init__(
        self,
        *,
        cluster: str,
        me: Identity,
        timings: Timings,
        clock: Clock,
        store: Store,
        calls: Calls,
        poll: PollFunction,
        work: Work,
        guard: Guard | None,
        self_check: SelfChecker,
        facts: FactTeller,
        memory: Memory,
        rng: random.Random,
        end: Callable[[int], None],
    ) -> None:
        self._cluster, self._me, self._timings, self._clock = cluster, me, timings, clock
        self._work, self._guard, self._rng, self._end = work, guard, rng, end
        self._facts = facts
        self._diary = Diary(memory, me.instance, calls=calls, clock=clock)
        self._sightings = Sightings()
        self._sightings.highest_epoch = self._diary.epoch
        self._hand = LeaseHand(
            cluster=cluster,
            me=me,
            ttl=timings.ttl,
            store=store,
            clock=clock,
            calls=calls,
            # The adapter ends its calls itself; this is for one that hangs all the same.
            limit=timings.call + 1,
            sightings=self._sightings,
        )
        self._holder = HolderWatch(poll, cluster=cluster, timings=timings, calls=calls, clock=clock)
        self._chores = Chores(cluster=cluster, me=me, timings=timings, store=store, clock=clock, calls=calls)
        self._duty = LeaseDuty(self._hand, self._sightings, timings, me)
        self._vitals = Vitals(self_check, clock, timings.tick)
        now = clock.monotonic()
        self.state = State.INIT
        self.why = ""
        self.answer: IntentAnswer | None = None
        self.exit_code: int | None = None
        self._started, self._started_at = now, clock.now()
        self._since = self._due = now
        self._gap = False
        self._stop: Literal["no", "graceful", "fast"] = "no"
        self._resign = False
        self._intake, self._open = True, False
        self._resigned_until = NEVER
        self._leaves_it = False
        self._wait = 0.0
        self._drain_fast = self._given_up = False
        self._aborted_at: float | None = None
        self._giving_up_since: float | None = None
        self._kind: TakeoverKind = "first"
        self._heir: tuple[str | None, str] = (None, "")
        self._seen = self._observe(now)

    # Orders, from any thread.

    def order_stop(self, *, fast: bool) -> None:
        """Drain, give the lease up, stop."""
        self._stop = "fast" if fast or self._stop == "fast" else "graceful"

    def order_resign(self) -> None:
        """Give the lead up, and leave it to others for a while."""
        self._resign = True

    def order_intake(self, intake: bool) -> None:
        """Take new clips, or don't."""
        self._intake = intake
        self._chores.announce()

    def view(self) -> RoleView:
        """As of the last step, but for the guard, which runs out between steps; from any thread."""
        return telling.view(
            self._seen,
            guard_remaining=self._guard.remaining() if self._guard else 0.0,
            epoch=self._sightings.highest_epoch,
            why=self.why,
            intake=self._intake,
            answer=self.answer,
        )

    def say_goodbye(self) -> None:
        """Stopped: the document is written once more, so that nobody counts on this agent."""
        self._chores.announce()
        self._chores.say(self._record())

    @property
    def speaks(self) -> bool:
        """The last words are on their way."""
        return self._chores.busy

    def step(self) -> float:
        """One round. Returns the time on the monotonic clock at which the next is due."""
        now = self._clock.monotonic()
        self._notice(now)
        self._collect(now)
        for _ in range(ROUNDS):
            before = self.state
            self._decide(now)
            if self.state == before:
                break
        self._heed_intake()
        self._start_calls(now)
        self._due = max(self._next(now), now + LEAST_SECONDS)
        return self._due

    # What happened since the last step.

    def _notice(self, now: float) -> None:
        # The daemon takes its time between building this and starting it.
        self._gap = self._vitals.gap(now, self._due if self.state is not State.INIT else now)
        if self._gap:
            self._sightings.restart(now)
            self._holder.restart()
        before = self._vitals.check
        self._vitals.look(now)
        after = self._vitals.check
        if (after.ok, not after.reasons) != (before.ok, not before.reasons):
            self._chores.announce()
        if self._resign and self.state in (State.STANDBY, State.CANDIDATE, State.FENCED):
            self._resigned_until, self._resign = now + RESIGNED_SECONDS, False

    def _collect(self, now: float) -> None:
        self._chores.collect(now)
        self._holder.collect(now)
        while self._hand.ready():
            landed = self._hand.collect()
            if landed is not None:
                self._landed(landed)
            elif self._hand.goal == "renew" and self._hand.outcome in ("unknown", "lost"):
                RENEWALS.labels("failed").inc()

    def _landed(self, landed: Landed) -> None:
        if landed.goal == "give up":
            self._given_up = True
        elif (
            self._guard is not None
            and self._giving_up_since is None
            and self.state in (State.ACQUIRING, State.ACTIVE, State.DRAINING)
        ):
            self._duty.landed(landed.sent_at)
            if landed.goal == "renew":
                RENEWALS.labels("good").inc()
            self._guard.renewed(landed.lease.epoch, landed.sent_at)

    # Deciding.

    def _decide(self, now: float) -> None:
        self._seen = self._observe(now)
        decision = decide(self._seen)
        if decision.state != self.state:
            log.info("cluster.state", old=self.state, new=decision.state, reason=decision.reason)
            self._enter(decision.state, now)
            self._wait = 0.0 if decision.at_once else self._draw_wait()
        elif decision.reason != self.why:
            log.info("cluster.why", state=self.state, reason=decision.reason)
        self.why = decision.reason
        self._duty.renews = decision.renews
        for action in decision.actions:
            self._act(action, now)

    def _enter(self, state: State, now: float) -> None:
        if state.role != self.state.role:
            self._chores.announce()
        if state in (State.STANDBY, State.FENCED, State.STOPPED) and self._guard is not None:
            self._guard.drop()
        if state is not State.ACQUIRING:
            self._hand.settle()
        if self.state is State.DRAINING and self._leaves_it:
            # From now and not from the order: the drain between them may have taken minutes.
            self._resigned_until, self._leaves_it = now + RESIGNED_SECONDS, False
        if state in (State.STANDBY, State.ACTIVE):
            self._aborted_at = self._giving_up_since = self._duty.gives_up = None
            self._given_up = self._resign = False
        self.state, self._since = state, now

    def _draw_wait(self) -> float:
        return CANDIDATE_RANK_SECONDS * self._me.rank + self._rng.uniform(0, CANDIDATE_JITTER_SECONDS)

    def _observe(self, now: float) -> Observation:
        guard, timings = self._guard, self._timings
        lease = self._sightings.view(now)
        giving_up = self._giving_up_since
        if giving_up is not None and (lease.lease is None or lease.lease.instance != self._me.instance):
            self._given_up = True  # nothing to give up any more
        return Observation(
            state=self.state,
            state_for=now - self._since,
            me=self._me,
            timings=timings,
            lease=lease,
            reachable=self._hand.reachable,
            elects=guard is not None,
            predecessors=self._diary.predecessors,
            owned=lease.lease is not None and self._hand.owned(lease.lease),
            outcome=self._hand.outcome,
            guard_remaining=guard.remaining() if guard else 0.0,
            failed_polls=self._holder.failures,
            eligible=self._vitals.check.ok and self._vitals.check.alive and self._intake,
            reasons=self._reasons(),
            failed_checks=self._vitals.failed,
            wedged_checks=self._vitals.wedged,
            pause=self._chores.pause(),
            failover=self._chores.failover(),
            answered=self._answered(),
            # What keeps us from working may keep them too, and they need a moment to say so.
            peers=self._chores.new_peers(now, since=self._vitals.failing_since, answered=self._answered()),
            hold_down=self._sightings.hold_down(now),
            resigned=max(0.0, self._resigned_until - now),
            uptime=now - self._started,
            candidate_wait=self._wait,
            read_since_wait=self._hand.read_at >= self._since + self._wait,
            idle=self._work.idle(),
            stop=self._stop,
            resign=self._resign,
            drain_fast=self._drain_fast,
            aborted_for=None if self._aborted_at is None else now - self._aborted_at,
            giving_up_for=None if giving_up is None else now - giving_up,
            given_up=self._given_up,
            gap=self._gap,
        )

    def _reasons(self) -> tuple[str, ...]:
        return (
            self._vitals.check.reasons
            if self._intake
            else (*self._vitals.check.reasons, "its intake is paused")
        )

    def _answered(self) -> str | None:
        return self.answer.operation_id if self.answer else None

    # Acting.

    def _act(self, action: Action, now: float) -> None:
        match action:
            case Begin():
                if self._guard is not None:
                    TAKEOVERS.labels(self._kind).inc()
                self._open = self._intake
                if self._intake:
                    self._work.begin()
            case Drain(fast):
                self._drain_fast, self._open = fast, False
                self._work.drain(fast=fast)
            case Abort():
                self._aborted_at, self._open = now, False
                self._work.abort()
            case Look():
                self._duty.look = True
            case Acquire(reason, kind):
                self._kind = kind
                self._duty.acquire(reason, now)
            case Resign(target, reason, hold):
                self._heir, self._leaves_it = (target, reason), hold
            case GiveUp():
                if self._guard is not None:
                    self._guard.drop()
                self._duty.gives_up = self._heir
                if self._giving_up_since is None:
                    self._giving_up_since = now
            case Answer(operation_id, accepted, reason):
                level = log.info if accepted else log.warning
                level("cluster.failover", operation_id=operation_id, accepted=accepted, reason=reason)
                self.answer = IntentAnswer(operation_id=operation_id, accepted=accepted, reason=reason)
                self._chores.announce()
            case Exit(code):
                log.error("cluster.exit", code=code, reason=self.why)
                self.exit_code = code
                if self.state is not State.STOPPED:
                    self._end(code)

    def _heed_intake(self) -> None:
        if self.state is not State.ACTIVE or self._open == self._intake:
            return
        self._open = self._intake
        if self._intake:
            self._work.begin()
        else:
            self._work.rest()

    def _start_calls(self, now: float) -> None:
        if self.state is State.STOPPED:
            return
        if self._guard is not None:
            self._duty.hot = self._is_named()
            self._duty.run(self.state, now)
            watching = self.state in (State.STANDBY, State.CANDIDATE)
            self._holder.follow(self._sightings.view(now) if watching else LeaseView())
            self._holder.start(now)
        self._chores.wants_peers = self.state is State.ACTIVE and (
            self._vitals.failed >= FAILED_CHECKS or self._chores.failover_pending(self._answered())
        )
        self._chores.start(now, self._record() if self._chores.write_due(now) else None)
        self._diary.note(self._sightings.highest_epoch)

    def _is_named(self) -> bool:
        wanted, reading = self._chores.failover(), self._sightings.reading
        lease = reading.lease if reading else None
        return (
            wanted is not None
            and lease is not None
            and wanted.epoch == lease.epoch
            and wanted.target == self._me.agent_id
        )

    def _record(self) -> AgentRecord:
        return telling.record(
            self._seen,
            cluster=self._cluster,
            epoch=self._sightings.highest_epoch,
            why=self.why,
            answer=self.answer,
            facts=self._facts(),
            started_at=self._started_at,
            now=self._clock.now(),
        )

    def _next(self, now: float) -> float:
        """When something is due, whatever comes back until then."""
        timings = self._timings
        due = [now + timings.tick, self._chores.due()]
        if self._guard is not None:
            due += [self._duty.due(self.state), self._holder.due()]
            if self.state in (State.ACTIVE, State.DRAINING):
                due.append(now + max(0.0, self._guard.remaining()))
        if self.state is State.CANDIDATE:
            due.append(self._since + self._wait)
        if self.state is State.FENCED:
            due.append(self._since + timings.ttl)
        if self.state in (State.DRAINING, State.FENCED):
            due.append(now + BUSY_SECONDS)
        return min(due)
