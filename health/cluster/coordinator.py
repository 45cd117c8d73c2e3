"""The thread `coordinator`: steps this agent's `Member`. Never blocks on the network."""

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
from health.lease.persistence import StateFile

log = get_logger(__name__)


class Coordinator:
    """One agent's part in its cluster.

    `guard` None: no election (`ha.mode` pool and single): it begins at once, writes its record and obeys
    `ctl`. `store` comes from `open_coordination_store`, which bounds its calls. The caller holds the lock on
    `state_dir` for the lifetime of this process. `exit` ends the process when work can't be stopped in time:
    an agent that can't stop must not outlive its lease. Raises `ConfigurationError` when `state_dir` can't be
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
                state_storage=StateFile(state_dir),
                rng=rng,
            ),
            LocalAgent(work=work, guard=guard, self_check=self_check, facts=facts, exit=exit),
        )
        self._beat = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="coordinator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self, *, fast: bool) -> None:
        """Drain, release the lease, stop. `fast`: give clips in flight back; may follow a graceful stop."""
        self._member.order_stop(fast=fast)
        self._wake.set()

    def wait_stopped(self, timeout: float) -> bool:
        """Whether it has stopped and released the lease within `timeout` seconds."""
        return self._stopped.wait(timeout)

    def exit_code(self) -> int | None:
        """Set when it stopped by itself: 78 when another agent has the same id. None: it was asked to."""
        return self._member.exit_code

    def view(self) -> RoleView:
        """As of the last step."""
        return self._member.view()

    def heartbeat_age(self) -> float:
        """Seconds since the last iteration of the loop, for the watchdog."""
        return self._clock.monotonic() - self._beat

    def drain(self) -> str:
        """`ctl drain`: resign and hold back for a while. Returns what happens, as a sentence."""
        if not self._elects:
            self.pause_intake()
            return "accepts no new clips and finishes those in flight; ctl resume ends this"
        leads = self.view().state is State.ACTIVE
        self._member.order_resign()
        self._wake.set()
        if leads:
            return "finishes the clips in flight, then hands over to another agent"
        return f"is not the leader, and does not take over for {RESIGNED_SECONDS:g} s"

    def pause_intake(self) -> None:
        """`ctl pause`: accept no new clips."""
        self._member.order_intake(False)
        self._wake.set()

    def resume_intake(self) -> None:
        """`ctl resume`."""
        self._member.order_intake(True)
        self._wake.set()

    def _run(self) -> None:
        try:
            while self._member.state is not State.STOPPED:
                self._iterate()
            if self._member.exit_code is None:  # the record belongs to another agent of this id
                self._write_last()
        except Exception:
            # Nothing would renew the lease or stop the work any more: the process has to restart.
            log.exception("coordinator.crashed")
            self._exit(EXIT_FAILED)
        finally:
            self._stopped.set()

    def _iterate(self) -> None:
        self._wake.clear()
        self._beat = self._clock.monotonic()
        due = self._member.step()
        if self._member.state is State.STOPPED:
            return  # nothing is due any more, and nothing would end the wait
        self._wake.wait(max(0.0, due - self._clock.monotonic()))

    def _write_last(self) -> None:
        """Write the record once more."""
        self._end_write()  # one in progress would replace the last record if it came later
        self._member.write_last()
        self._end_write()

    def _end_write(self) -> None:
        """Wait until no write is in progress, at most for the timeout of one call of the store."""
        until = self._clock.monotonic() + self._last_write_seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._wake.clear()
            self._member.step()
            if not self._member.writing:
                return
            self._wake.wait(left)
