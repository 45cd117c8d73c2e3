"""The thread `coordinator`: observes, lets `election` decide, acts. Nothing here waits for a network."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from clipping.clock import Clock
from clipping.config import Config
from clipping.store.port import Store
from health.guard import Guard
from health.roles import Facts, Identity, RoleView, SelfCheck, Work


class Coordinator:
    """One agent's part in its cluster.

    `guard` None: no election (`ha.mode` pool and single): it begins at once, keeps its document and obeys
    `ctl`. `state_dir` is locked by the caller, for as long as this process lives. `exit` ends the process
    when work can't be stopped in time: an agent that can't stop must not outlive its lease.
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
    ) -> None: ...

    def start(self) -> None: ...

    def request_stop(self, *, fast: bool) -> None:
        """Drain, give the lease up, stop. `fast`: give back what is in hand; may follow a slow one."""

    def wait_stopped(self, timeout: float) -> bool:
        """Whether it has stopped, the lease given up, within `timeout` seconds."""

    def exit_code(self) -> int | None:
        """Why it stopped by itself: 78 when another agent has the same id. None: because it was asked to."""

    def view(self) -> RoleView: ...

    def heartbeat_age(self) -> float:
        """Seconds since the loop last went round, for the watchdog."""

    def drain(self) -> str:
        """`ctl drain`: resign and don't come back for a while. A sentence: what happens."""

    def pause_intake(self) -> None:
        """`ctl pause`: take no new clips."""

    def resume_intake(self) -> None: ...
