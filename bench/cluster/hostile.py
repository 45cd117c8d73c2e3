"""Half an hour of random faults, determined by a seed, and the invariants that must hold throughout."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bench.cluster.machine import CLUSTER, GuardMaker, Machine
from bench.cluster.network import FAIR, ROUGH, STORM, Network
from bench.cluster.stores import EtagStore, WatchedStore
from bench.cluster.world import MachineClock, World
from clipping.config import validate
from clipping.contract.cluster import FailoverIntent, Intent, Lease, Pause, intent_key, lease_key
from health.cluster.registry import prepare_cluster
from health.election.roles import State
from health.election.timings import Timings
from health.lease.guard import Guard

MINUTES = 30.0
CALM_SECONDS = 240.0
"""The final period without faults, after which one agent must lead."""
EVERY_SECONDS = 20.0
"""Mean interval between faults."""
DELETION_PAUSE_SECONDS = 240.0
INTENT_SECONDS = 5.0
"""Longer than in production: reading the intent is a third of the simulated calls and has no effect."""


def timings_of(preset: str) -> Timings:
    return Timings.of(validate({"ha": {"preset": preset}, "storage": {"path": "/unused"}}))


@dataclass
class Outcome:
    """The result of a run."""

    seed: int
    two_guards: list[str] = field(default_factory=list)
    """The times at which two agents could have published."""
    violations: list[str] = field(default_factory=list)
    led_share: float = 0.0
    led_at_the_end: bool = False
    epochs: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Cluster:
    """Machines with one store. Verifies the leaders whenever a guard becomes valid."""

    def __init__(
        self,
        seed: int,
        *,
        agents: int,
        timings: Timings,
        etags: bool = False,
        guard: type[Guard] = Guard,
        clock: type[MachineClock] = MachineClock,
    ) -> None:
        self.world = World(seed)
        self.outcome = Outcome(seed)
        self.store = (EtagStore if etags else WatchedStore)(self.world.clock, CLUSTER)
        self.network = Network(self.world, FAIR)
        rng = self.world.rng
        self.machines = [
            Machine(
                f"nas-{number}",
                self.world,
                self.store,
                self.network,
                timings,
                rank=number,
                clock=clock(self.world, rate=1 + rng.uniform(-1e-3, 1e-3), offset=rng.uniform(0, 1e6)),
                make_guard=self._watched(guard),
            )
            for number in range(agents)
        ]
        for machine in self.machines:
            machine.peers = {other.name: other for other in self.machines if other is not machine}
        prepare_cluster(self.store, CLUSTER, clock=self.world.clock, ttl_seconds=timings.ttl)

    def leaders(self) -> list[str]:
        """The machines that could publish now."""
        return [machine.name for machine in self.machines if machine.leads()]

    def lease(self) -> Lease | None:
        found = self.store.get(lease_key(CLUSTER))
        return Lease.from_json(found[0]) if found else None

    def _watched(self, guard: type[Guard]) -> GuardMaker:
        cluster = self

        class Watched(guard):  # type: ignore[misc, valid-type]
            """Verifies after each renewal, the only event that makes a guard valid."""

            def renewed(self, epoch: int, sent_at: float) -> None:
                super().renewed(epoch, sent_at)
                cluster.world.at(cluster.world.now, cluster.check_leaders)

        return Watched

    def check_leaders(self) -> None:
        leaders = self.leaders()
        if len(leaders) > 1:
            self.outcome.two_guards.append(f"{self.world.now:.3f} s: {' and '.join(leaders)}")


def run(
    seed: int,
    *,
    preset: str = "default",
    guard: type[Guard] = Guard,
    clock: type[MachineClock] = MachineClock,
    minutes: float = MINUTES,
) -> Outcome:
    """One run with faults: two or three agents, on a store of either kind."""
    cluster = Cluster(
        seed,
        agents=2 + seed % 2,
        timings=replace(timings_of(preset), intent=INTENT_SECONDS),
        etags=bool(seed // 2 % 2),
        guard=guard,
        clock=clock,
    )
    FaultInjector(cluster, minutes * 60 - CALM_SECONDS).begin()
    cluster.world.run(minutes * 60)
    outcome = cluster.outcome
    outcome.violations += cluster.store.violations
    outcome.led_at_the_end = len(cluster.leaders()) == 1
    outcome.epochs = len(cluster.store.epochs)
    return outcome


class FaultInjector:
    """Injects faults until `end`. Each is over by then."""

    def __init__(self, cluster: Cluster, end: float) -> None:
        self._cluster, self._world, self._rng = cluster, cluster.world, cluster.world.rng
        self._end = end
        self._seconds = self._led = 0
        self._deleted_at = float("-inf")
        self._operations = 0

    def begin(self) -> None:
        for machine in self._cluster.machines:
            self._world.after(self._rng.uniform(0, 3), machine.start)
        self._cluster.network.rates = ROUGH
        self._world.at(self._end, self._end_faults)
        self._world.after(self._rng.expovariate(1 / EVERY_SECONDS), self._inject)
        self._world.after(1.0, self._sample)

    def _sample(self) -> None:
        self._seconds += 1
        self._led += bool(self._cluster.leaders())
        self._cluster.outcome.led_share = self._led / self._seconds
        self._world.after(1.0, self._sample)

    def _inject(self) -> None:
        if self._world.now >= self._end - 1:
            return
        kinds = {
            self._pause: 5,
            self._kill: 4,
            self._restart: 2,
            self._cut_store: 4,
            self._cut_peers: 3,
            self._jump: 4,
            self._storm: 3,
            self._make_unhealthy: 3,
            self._delete: 1,
            self._fail_over: 2,
            self._pause_takeovers: 1,
        }
        kind = self._rng.choices(list(kinds), list(kinds.values()))[0]
        machine = self._rng.choice(self._cluster.machines)
        self._cluster.outcome.faults[kind.__name__.strip("_")] += 1
        kind(machine)
        self._world.after(self._rng.expovariate(1 / EVERY_SECONDS), self._inject)

    def _until(self, longest: float) -> float:
        return min(self._world.now + self._rng.uniform(1, longest), self._end)

    def _pause(self, machine: Machine) -> None:
        """SIGSTOP, or a suspended machine: at a random time, or right after a write of the lease."""
        until = self._until(90)
        if self._rng.random() < 0.5 or self._end - self._world.now < 150:
            machine.paused_until = until
        else:
            machine.pause_after_write = until - self._world.now

    def _kill(self, machine: Machine) -> None:
        machine.kill()
        self._world.at(self._until(60), machine.start)

    def _restart(self, machine: Machine) -> None:
        machine.stop()
        self._world.at(self._until(60), machine.start)

    def _cut_store(self, machine: Machine) -> None:
        machine.no_store_until = self._until(120)

    def _cut_peers(self, machine: Machine) -> None:
        machine.no_peers_until = self._until(300)

    def _jump(self, machine: Machine) -> None:
        machine.clock.wall_offset += timedelta(seconds=self._rng.uniform(-3600, 3600))

    def _storm(self, machine: Machine) -> None:
        self._cluster.network.rates = STORM
        self._world.at(self._until(90), self._end_storm)

    def _end_storm(self) -> None:
        self._cluster.network.rates = ROUGH if self._world.now < self._end else FAIR

    def _make_unhealthy(self, machine: Machine) -> None:
        machine.unhealthy_until = self._until(120)

    def _delete(self, machine: Machine) -> None:
        """Delete the lease, as an administrator would; not twice within minutes."""
        if self._world.now - self._deleted_at > DELETION_PAUSE_SECONDS:
            self._deleted_at = self._world.now
            self._cluster.store.delete(lease_key(CLUSTER))

    def _fail_over(self, machine: Machine) -> None:
        lease = self._cluster.lease()
        if lease is None or lease.state != "held":
            return
        self._operations += 1
        self._write_intent(
            Intent(
                schema=1,
                failover=FailoverIntent(
                    operation_id=f"op-{self._operations}",
                    epoch=lease.epoch - (self._rng.random() < 0.2),
                    old_primary=lease.holder,
                    target=machine.name,
                    mode=self._rng.choice(["graceful", "fast"]),
                    requested_at=self._world.clock.now(),
                ),
            )
        )

    def _pause_takeovers(self, machine: Machine) -> None:
        now = self._world.clock.now()
        until = now + timedelta(seconds=self._until(180) - self._world.now)
        self._write_intent(Intent(schema=1, pause=Pause(paused_at=now, until=until)))
        self._world.at(self._end, lambda: self._write_intent(Intent(schema=1)))

    def _write_intent(self, intent: Intent) -> None:
        found = self._cluster.store.get(intent_key(CLUSTER))
        self._cluster.store.replace(
            intent_key(CLUSTER), intent.to_json(), expected=found[1].version if found else None
        )

    def _end_faults(self) -> None:
        self._cluster.network.rates = FAIR
        for machine in self._cluster.machines:
            machine.clock.wall_offset = timedelta()
            machine.pause_after_write = 0.0
            process = machine.process
            if process is None or process.killed or process.member.state is State.STOPPED:
                machine.start()
