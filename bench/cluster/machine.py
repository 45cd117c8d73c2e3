"""A simulated machine with an agent, whose process is started, stopped, killed, paused and partitioned."""

from __future__ import annotations

import random
from collections.abc import Callable

from bench.cluster.network import Network, SimulatedCalls
from bench.cluster.world import MachineClock, World
from clipping.store.port import Store
from health.cluster.member import Member
from health.cluster.poller import Leader, Poll
from health.cluster.ports import LocalAgent, Membership, Ports
from health.election.roles import Facts, Identity, SelfCheck, State
from health.election.timings import Timings
from health.lease.guard import Guard
from health.lease.persistence import PersistedState

CLUSTER = "model"


class Disk:
    """A state directory, which survives its processes."""

    def __init__(self) -> None:
        self._kept = PersistedState()

    def load(self) -> PersistedState:
        return self._kept

    def save(self, remembered: PersistedState) -> None:
        self._kept = remembered


class SimulatedWork:
    """Clips that take time to finish and to abort."""

    def __init__(self, world: World, machine: Machine) -> None:
        self._world, self._machine = world, machine
        self._busy_until = 0.0
        self._open = False

    def begin(self) -> None:
        self._open = True

    def drain(self, *, fast: bool) -> None:
        takes = self._machine.drain_seconds
        self._end(self._world.rng.uniform(0, 1 if fast else 20) if takes is None else takes)

    def rest(self) -> None:
        self.drain(fast=False)

    def abort(self) -> None:
        self._end(self._world.rng.uniform(0, 3))

    def idle(self) -> bool:
        return not self._open and self._world.now >= self._busy_until

    def _end(self, seconds: float) -> None:
        if self._open:
            self._busy_until = self._world.now + (0.0 if self._machine.drains_idle else seconds)
        elif self._busy_until > self._world.now:
            self._busy_until = min(self._busy_until, self._world.now + seconds)
        self._open = False


GuardMaker = Callable[[MachineClock, float], Guard]


class Process:
    """An agent's process, from its start to a kill or a stop."""

    def __init__(self, machine: Machine, instance: str) -> None:
        self.machine = machine
        self.killed = False
        world, timings = machine.world, machine.timings
        self.guard = machine.make_guard(machine.clock, timings.deadline)
        me = Identity(machine.name, instance, machine.name, f"http://{machine.name}", machine.rank)
        self.member = Member(
            Membership(CLUSTER, me, timings),
            Ports(
                clock=machine.clock,
                store=machine.store,
                calls=SimulatedCalls(world, machine.network, self, timings.call),
                poll=machine.poll,
                state_storage=machine.disk,
                rng=random.Random(world.rng.random()),
            ),
            LocalAgent(
                work=SimulatedWork(world, machine),
                guard=self.guard,
                self_check=machine.self_check,
                facts=Facts,
                exit=lambda code: self.kill(),
            ),
        )
        self._next = 0.0
        self._step()

    def sends(self, name: str) -> None:
        """Called when a call is sent. The worst time for a pause is right after a write of the lease."""
        machine = self.machine
        if machine.pause_after_write > 0 and name in ("acquire", "renew", "release"):
            machine.paused_until = machine.world.now + machine.pause_after_write
            machine.pause_after_write = 0.0

    @property
    def paused_until(self) -> float:
        return self.machine.paused_until

    def alive(self) -> bool:
        return not self.killed and self.member.state is not State.STOPPED

    def kill(self) -> None:
        self.killed = True

    def reaches_store(self) -> bool:
        return self.machine.world.now >= self.machine.no_store_until

    def reaches_peers(self) -> bool:
        return self.machine.world.now >= self.machine.no_peers_until

    def wake(self) -> None:
        self._at(self.machine.world.now)

    def _step(self) -> None:
        if not self.alive():
            return
        due = self.member.step()
        self._at(self.machine.clock.world_time(due))

    def _at(self, moment: float) -> None:
        """Schedule the next step, unless an event triggers an earlier one."""
        world = self.machine.world
        moment = max(moment, world.now, self.machine.paused_until)
        self._next = moment
        world.at(moment, lambda: self._step_if(moment))

    def _step_if(self, planned: float) -> None:
        if planned != self._next:  # superseded by a later schedule
            return
        if self.machine.world.now < self.machine.paused_until:
            self._at(self.machine.paused_until)
            return
        self._step()


class Machine:
    """A host. The cluster fills `peers`."""

    def __init__(
        self,
        name: str,
        world: World,
        store: Store,
        network: Network,
        timings: Timings,
        *,
        rank: int,
        clock: MachineClock,
        make_guard: GuardMaker = Guard,
    ) -> None:
        self.name, self.world, self.store, self.network = name, world, store, network
        self.timings, self.rank, self.clock, self.make_guard = timings, rank, clock, make_guard
        self.disk = Disk()
        self.paused_until = self.no_store_until = self.no_peers_until = self.unhealthy_until = 0.0
        self.wedged_until = 0.0
        self.drains_idle = False
        """Whether it has no clips in flight when it drains."""
        self.drain_seconds: float | None = None
        """Seconds of a drain; None: random."""
        self.pause_after_write = 0.0
        """Seconds for which the process is stopped after its next write of the lease."""
        self.peers: dict[str, Machine] = {}
        self.process: Process | None = None
        self._starts = 0

    def start(self) -> None:
        if not self.alive():
            self._starts += 1
            self.process = Process(self, f"{self.name}-{self._starts}")

    def alive(self) -> bool:
        return self.process is not None and self.process.alive()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.paused_until = 0.0

    def stop(self) -> None:
        """SIGTERM."""
        if self.process is not None and self.process.alive():
            self.process.member.order_stop(fast=False)
            self.process.wake()

    def resume(self) -> None:
        """SIGCONT."""
        self.paused_until = self.world.now
        if self.process is not None:
            self.process.wake()

    def leads(self) -> bool:
        return self.process is not None and self.process.alive() and self.process.guard.valid()

    def self_check(self) -> SelfCheck:
        if self.world.now < self.wedged_until:
            return SelfCheck(False, ("a lane has stalled",), alive=False)
        well = self.world.now >= self.unhealthy_until
        return SelfCheck(well, () if well else ("the NAS is unavailable",))

    def poll(self, leader: Leader, cluster: str, timeout: float) -> Poll:
        target = self.peers.get(leader.agent_id)
        if target is None or target.process is None or not target.alive():
            return Poll(False, "refused")
        if self.world.now < max(target.paused_until, target.no_peers_until):
            return Poll(False, "no answer")
        role = target.process.member.view().role
        return Poll(role == "active", f"its role is {role}")
