"""The thread `coordinator`: steps this agent's `Member`. Nothing in it waits for a network."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

from clipping.clock import Clock
from clipping.config import Config
from clipping.exits import EXIT_FAILED
from clipping.log import get_logger
from clipping.store.port import Store
from health.cluster.member import Member
from health.cluster.poller import PollFunction, poll
from health.cluster.ports import LocalAgent, Membership, Ports
from health.election.roles import Facts, Identity, RoleView, SelfCheck, State, Work
from health.election.timings import RESIGNED_SECONDS, Timings
from health.lease.calls import ThreadCalls
from health.lease.guard import Guard
from health.lease.memory import FileMemory

log = get_logger(__name__)


class Coordinator:
    """One agent's part in its cluster.

    `guard` None: no election (`ha.mode` pool and single): it begins at once, keeps its document and obeys
    `ctl`. `store` comes from `open_coordination_store`, which bounds its calls. `state_dir` is locked by the
    caller, for as long as this process lives. `exit` ends the process when work can't be stopped in time: an
    agent that can't stop must not outlive its lease. Raises `ConfigurationError` when `state_dir` can't be
    used.
    """

    def __init__(
        self,
        config: Config,
        *,
        identity: Identity,
        clock: Clock,
        store: Store,
        work: Work,
        guard: Guard | None,
        self_check: Callable[[], SelfCheck],
        facts: Callable[[], Facts],
        state_dir: Path,
        rng: random.Random,
        exit: Callable[[int], None] = os._exit,
        poll: PollFunction = poll,
    ) -> None:
        self._clock, self._exit = clock, exit
        self._elects = guard is not None
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._last_write_seconds = config.ha.store_timeout_seconds
        self._member = Member(
            Membership(config.agent.cluster, identity, Timings.of(config)),
            Ports(
                clock=clock,
                store=store,
                calls=ThreadCalls(self._wake.set),
                poll=poll,
                memory=FileMemory(state_dir),
                rng=rng,
            ),
            LocalAgent(work=work, guard=guard, self_check=self_check, facts=facts, exit=exit),
        )
        self._beat = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="coordinator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self, *, fast: bool) -> None:
        """Drain, give the lease up, stop. `fast`: give back what is in hand; may follow a slow one."""
        self._member.order_stop(fast=fast)
        self._wake.set()

    def wait_stopped(self, timeout: float) -> bool:
        """Whether it has stopped, the lease given up, within `timeout` seconds."""
        return self._stopped.wait(timeout)

    def exit_code(self) -> int | None:
        """Why it stopped by itself: 78 when another agent has the same id. None: because it was asked to."""
        return self._member.exit_code

    def view(self) -> RoleView:
        """As of the last step."""
        return self._member.view()

    def heartbeat_age(self) -> float:
        """Seconds since the loop last went round, for the watchdog."""
        return self._clock.monotonic() - self._beat

    def drain(self) -> str:
        """`ctl drain`: resign and don't come back for a while. A sentence: what happens."""
        if not self._elects:
            self.pause_intake()
            return "takes no new clips and finishes what is in hand, until it is told to resume"
        leads = self.view().state is State.ACTIVE
        self._member.order_resign()
        self._wake.set()
        if leads:
            return "finishes what is in hand, then gives the lead up to another agent"
        return f"does not lead, and leaves the lead to others for {RESIGNED_SECONDS:g} s"

    def pause_intake(self) -> None:
        """`ctl pause`: take no new clips."""
        self._member.order_intake(False)
        self._wake.set()

    def resume_intake(self) -> None:
        """`ctl resume`."""
        self._member.order_intake(True)
        self._wake.set()

    def _run(self) -> None:
        try:
            while self._member.state is not State.STOPPED:
                self._turn()
            if self._member.exit_code is None:  # another agent of the same id keeps that document
                self._write_last()
        except Exception:
            # Nobody would renew the lease or stop the work any more: a restart is the cleanest way on.
            log.exception("coordinator.crashed")
            self._exit(EXIT_FAILED)
        finally:
            self._stopped.set()

    def _turn(self) -> None:
        self._wake.clear()
        self._beat = self._clock.monotonic()
        due = self._member.step()
        self._wake.wait(max(0.0, due - self._clock.monotonic()))

    def _write_last(self) -> None:
        """Write the document once more, within the time that a call of the store may take."""
        self._member.write_last()
        until = self._clock.monotonic() + self._last_write_seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._wake.clear()
            self._member.step()
            if not self._member.writing:
                return
            self._wake.wait(left)
