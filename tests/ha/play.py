"""A whole cluster in a test: real members on a simulated clock, network and store (bench/cluster)."""

from __future__ import annotations

from typing import Any

from bench.cluster.hostile import Cluster, timings_of
from bench.cluster.machine import CLUSTER, Machine
from clipping.contract.cluster import AgentRecord, FailoverIntent, Intent, Pause, agent_key, intent_key
from health.cluster.registry import read_intent
from health.election.roles import RoleView


class Play:
    """A cluster on a reliable network, and what a test does to it."""

    def __init__(self, agents: int = 2, *, preset: str = "default", seed: int = 1) -> None:
        self.cluster = Cluster(seed, agents=agents, timings=timings_of(preset))
        self.world, self.store = self.cluster.world, self.cluster.store
        self.machines = self.cluster.machines

    def start(self) -> Machine:
        """Start all agents; the first one leads. Lasts longer than hold-down and minimum uptime."""
        for number, machine in enumerate(self.machines):
            self.world.after(5.0 * number, machine.start)
        self.pass_time(60)
        (leader,) = self.leaders()
        return leader

    def pass_time(self, seconds: float) -> None:
        self.world.run(self.world.now + seconds)
        assert self.cluster.outcome.two_guards == []
        assert self.store.violations == []

    def leaders(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.leads()]

    def until_led(self, within: float) -> float:
        begin = self.world.now
        while not self.leaders():
            self.pass_time(0.1)
            assert self.world.now - begin < within, [self.view(m).why for m in self.machines if m.alive()]
        return self.world.now - begin

    def others(self, machine: Machine) -> list[Machine]:
        return [other for other in self.machines if other is not machine]

    def view(self, machine: Machine) -> RoleView:
        assert machine.process is not None
        return machine.process.member.view()

    def epoch(self) -> int:
        lease = self.cluster.lease()
        assert lease is not None
        return lease.epoch

    def write(self, key: str, data: bytes) -> None:
        found = self.store.get(key)
        self.store.replace(key, data, expected=found[1].version if found else None)

    def intend(self, **fields: Any) -> None:
        self.write(intent_key(CLUSTER), Intent(schema=1, **fields).to_json())

    def fail_over(self, operation_id: str, target: Machine | None, **over: Any) -> None:
        lease = self.cluster.lease()
        assert lease is not None
        fields: dict[str, Any] = {
            "operation_id": operation_id,
            "epoch": lease.epoch,
            "old_primary": lease.holder,
            "target": target.name if target is not None else None,
            "requested_at": self.world.clock.now(),
        }
        if "to" in fields | over:
            fields["target"] = over.pop("to")
        pause = read_intent(self.store, CLUSTER).pause
        self.intend(failover=FailoverIntent(**{**fields, **over}), pause=pause)

    def pause(self, **over: Any) -> None:
        self.intend(pause=Pause(paused_at=self.world.clock.now(), paused_by="ann", **over))

    def record(self, machine: Machine) -> AgentRecord:
        found = self.store.get(agent_key(CLUSTER, machine.name))
        assert found is not None
        return AgentRecord.from_json(found[0])
