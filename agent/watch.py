"""Takes a snapshot of the agent twice a second, for HTTP, systemd and the coordinator.

Its loop never blocks: checks that may hang run in their own threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from agent.checks.checks import BUS, ENGINE, NAS, SIGNING, Checks, intake_trouble
from agent.checks.clockwatch import ClockWatch
from agent.work.inflight import InFlight
from agent.work.intake import Intake
from agent.work.lanes import Lanes
from clipping import __version__
from clipping.clock import Clock
from clipping.config import Agent
from clipping.errors import ClippingError
from clipping.log import get_logger
from health.election.roles import RoleView, SelfCheck
from health.page.metrics import show
from health.page.probe import NOT_CHECKED
from health.page.snapshot import Check, ClipInFlight, LeaseSeen, Snapshot

log = get_logger(__name__)

LANE = "lane_"
"""Followed by the lane's name."""
INTERVAL_SECONDS = 0.5
STALE_SECONDS = 5.0
"""An older snapshot does not prove that the agent can work."""
GRACE_SECONDS, BUS_GRACE_SECONDS, SIGNING_GRACE_SECONDS = 10.0, 20.0, 45.0
"""How long a leader keeps the lead while a check fails: until the standbys know whether it fails for them
too. Without this an outage that affects every agent would move the lead for nothing. The intake is paused
at once in any case."""
STREAM_SECONDS = 10.0
"""A stream is reopened within seconds. Without one for this long the agent can't work."""
LOOP_SECONDS = 20.0
LANE_SECONDS = 60.0
"""The lanes' threads pause for up to 36 s between two attempts during an outage."""


class Stuck(ClippingError):
    """A loop of the agent makes no progress: only a restart helps."""

    code = "STUCK"


class Watch:
    """Owns the thread `watch`. `loops`: the heartbeat ages of the agent's other loops in seconds, by name."""

    def __init__(
        self,
        agent: Agent,
        clock: Clock,
        *,
        checks: Checks,
        lanes: Lanes,
        intake: Intake,
        in_flight: InFlight,
        loops: Mapping[str, Callable[[], float]],
        role: Callable[[], RoleView],
        has_lease: bool,
        on_snapshot: Callable[[Snapshot, bool], None],
    ) -> None:
        self._agent, self._clock = agent, clock
        self._checks, self._lanes, self._intake = checks, lanes, intake
        self._in_flight, self._loops = in_flight, loops
        self._role, self._has_lease = role, has_lease
        self._on_snapshot = on_snapshot
        self._clock_watch = ClockWatch(clock)
        self._stop = threading.Event()
        self._newest: Snapshot | None = None
        self._failing: dict[str, float] = {}
        """Since when each failing check has failed."""
        self._wedged: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._update()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(STALE_SECONDS)

    def snapshot(self) -> Snapshot:
        """The latest snapshot. Never blocks."""
        assert self._newest is not None, "started"
        return self._newest

    def self_check(self) -> SelfCheck:
        """Whether the agent can work, for the coordinator. Never blocks."""
        newest = self._newest
        if newest is None:
            return SelfCheck(False, ("the agent has not checked itself yet",))
        age = self._clock.monotonic() - newest.at
        if age > STALE_SECONDS:
            return SelfCheck(False, (f"the agent has not checked itself for {age:.0f} s",), alive=False)
        failed, leads = newest.failed, newest.role == "active"
        fit = not unfit(failed, self._failing, newest.at, leads=leads)
        # A leader may keep the lead during the grace, but the reasons are shown at once.
        reasons = unfit(failed, self._failing, newest.at, leads=False)
        return SelfCheck(fit, reasons, alive=not self._wedged)

    def health(self) -> str:
        """One line. Raises `Stuck` where `/health/live` would fail, or the watchdog would not be notified.

        Never blocks.
        """
        newest = self.snapshot()
        age = self._clock.monotonic() - newest.at
        if self._wedged or not newest.fresh(newest.at + age):
            raise Stuck("; ".join(self._wedged) or f"the agent has not checked itself for {age:.0f} s")
        return f"{newest.agent_id}: {newest.role}, every loop makes progress"

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self._update()

    def _update(self) -> None:
        now = self._clock.monotonic()
        checks = {**self._checks.read(), **self._streams(now), "clock": self._clock_watch.check()}
        self._intake.hold(intake_trouble(checks))
        loops = self._loops_check(now)
        checks["loops"] = loops
        wedged = [
            check.detail for check in (loops, checks[ENGINE]) if not check.ok and check.detail != NOT_CHECKED
        ]
        if bool(wedged) != bool(self._wedged):
            log.warning("agent.wedged" if wedged else "agent.moves_again", reasons=wedged or self._wedged)
        self._wedged = tuple(wedged)
        newest = self._snapshot(now, checks)
        self._failing = {name: self._failing.get(name, now) for name in newest.failed}
        self._newest = newest
        show(newest)
        self._on_snapshot(newest, not wedged)

    def _snapshot(self, now: float, checks: Mapping[str, Check]) -> Snapshot:
        view = self._role()
        return Snapshot(
            agent_id=self._agent.id,
            cluster=self._agent.cluster,
            role=view.role,
            epoch=view.epoch,
            at=now,
            version=__version__,
            in_flight=tuple(
                ClipInFlight(job.request_id, job.stage, job.progress_percent)
                for job in self._in_flight.jobs()
            ),
            checks=checks,
            lease=LeaseSeen(view.holder, view.lease_remaining_seconds) if self._has_lease else None,
            eligible=view.eligible,
            notes=self._notes(view, checks),
            paths=self._paths(checks),
        )

    def _paths(self, checks: Mapping[str, Check]) -> dict[str, str]:
        """The placeholder of each folder, for readers who may not see paths."""
        roots = [name.removeprefix(NAS) for name in checks if name.startswith(NAS)]
        named = {root: f"root {number}" for number, root in enumerate(roots, 1)}
        return {self._agent.state_dir: "state_dir", **named}

    def _notes(self, view: RoleView, checks: Mapping[str, Check]) -> tuple[str, ...]:
        """What an operator should know in addition to the checks."""
        notes = [reason for reason in view.reasons if not any(reason.startswith(name) for name in checks)]
        if self._has_lease and view.role in ("standby", "fenced") and not view.lease_remaining_seconds:
            notes.append(f"no agent leads: {view.why}")
        if view.paused:
            notes.append("automatic takeovers are paused")
        if not view.intake:
            notes.append("the intake is paused by `clipping-agent ctl pause`")
        elif self._intake.held is not None:
            notes.append(f"the intake is paused: {self._intake.held}")
        waiting = self._lanes.waiting()
        notes += [f"clips waiting for {names}: {count}" for names, count in waiting.items()]
        return tuple(notes)

    def _streams(self, now: float) -> dict[str, Check]:
        """The state of each lane's stream while the lanes pull. The lanes log their changes themselves."""
        if not self._intake.pulling:
            return {}
        return {
            f"{LANE}{lane}": Check(state.ok, state.detail, now, essential=now - state.since > STREAM_SECONDS)
            for lane, state in self._lanes.states().items()
        }

    def _loops_check(self, now: float) -> Check:
        ages = {name: age() for name, age in self._loops.items()}
        late = {name: age for name, age in ages.items() if age > LOOP_SECONDS}
        if (age := self._lanes.heartbeat_age()) > LANE_SECONDS:
            late["lanes"] = age
        for job in self._in_flight.jobs():
            if now - job.at > self._lanes.longest_seconds:
                late[job.request_id] = now - job.at
        if not late:
            return Check(True, "all loops make progress", now)
        return Check(
            False,
            ", ".join(f"{name} has made no progress for {age:.0f} s" for name, age in late.items()),
            now,
        )


def unfit(
    failed: Mapping[str, Check], since: Mapping[str, float], now: float, *, leads: bool
) -> tuple[str, ...]:
    """Why the agent can't work, a text per check; for a leader only checks past their grace. Pure."""
    return tuple(
        f"{name}: {check.detail}"
        for name, check in failed.items()
        if check.needed_to_lead and not (leads and now - since.get(name, now) < grace(name))
    )


def grace(check: str) -> float:
    """How long a leader may keep the lead while this check fails, in seconds."""
    if check == SIGNING:
        return SIGNING_GRACE_SECONDS
    return BUS_GRACE_SECONDS if check == BUS or check.startswith(LANE) else GRACE_SECONDS
