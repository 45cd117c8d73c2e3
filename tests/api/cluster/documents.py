"""The documents of a cluster, as agents write them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from api.domain.cluster.snapshot import AgentSeen, LeaseSeen, Snapshot
from clipping.contract.cluster import (
    AgentRecord,
    FailoverIntent,
    Intent,
    Lease,
    agent_key,
    intent_key,
    lease_key,
)
from clipping.store.port import Store

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
CLUSTER = "default"


def lease(**over: Any) -> Lease:
    fields = {
        "cluster": CLUSTER,
        "state": "held",
        "epoch": 7,
        "holder": "nas-1",
        "instance": "i-1",
        "host": "nas-1",
        "seq": 3,
        "ttl_seconds": 30.0,
        "renewed_at": NOW,
    }
    return Lease.model_validate({**fields, **over})


def record(agent_id: str, **over: Any) -> AgentRecord:
    fields = {
        "agent_id": agent_id,
        "cluster": CLUSTER,
        "instance": f"i-{agent_id}",
        "host": agent_id,
        "state": "standby",
        "epoch": 7,
        "eligible": True,
        "version": "0.1.0",
        "started_at": NOW - timedelta(hours=1),
        "heartbeat_at": NOW,
    }
    return AgentRecord.model_validate({**fields, **over})


def seen(agent_id: str, *, age: float = 5.0, **over: Any) -> AgentSeen:
    written_at = NOW - timedelta(seconds=age)
    return AgentSeen(agent_id, written_at, age, record(agent_id, **over))


def snapshot(
    *agents: AgentSeen,
    held: Lease | None = None,
    lease_age: float = 3.0,
    no_lease: bool = False,
    **over: Any,
) -> Snapshot:
    """nas-1 leads and nas-2 stands by, unless said otherwise."""
    lease_seen = LeaseSeen(held or lease(), NOW - timedelta(seconds=lease_age), lease_age)
    everyone: Sequence[AgentSeen] = agents or (seen("nas-1", state="active"), seen("nas-2"))
    fields: dict[str, Any] = {"has_leader": True, "intent": Intent(), "intent_version": None, **over}
    return Snapshot(
        cluster=CLUSTER, now=NOW, lease=None if no_lease else lease_seen, agents=everyone, **fields
    )


class Agents:
    """Writes into a store what the agents of a cluster would."""

    def __init__(self, store: Store, cluster: str = CLUSTER) -> None:
        self.store = store
        self._cluster = cluster

    def lead(self, **over: Any) -> Lease:
        """Write the lease, over whatever is there."""
        document = lease(cluster=self._cluster, **over)
        self.put(lease_key(self._cluster), document.to_json())
        return document

    def report(self, agent_id: str, **over: Any) -> None:
        """Write an agent's own document."""
        document = record(agent_id, cluster=self._cluster, **over)
        self.put(agent_key(self._cluster, agent_id), document.to_json())

    def put(self, key: str, data: bytes) -> None:
        found = self.store.stat(key)
        self.store.replace(key, data, expected=found.version if found else None)

    def pair(self) -> None:
        """nas-1 leads at epoch 7, nas-2 stands by."""
        self.lead()
        self.report("nas-1", state="active")
        self.report("nas-2")

    def intent(self) -> Intent:
        """The intent that the API has written."""
        found = self.store.get(intent_key(self._cluster))
        return Intent.from_json(found[0]) if found else Intent()

    def requested(self) -> FailoverIntent | None:
        """The failover that the API requests."""
        return self.intent().failover

    def obey(self) -> FailoverIntent | None:
        """Do what the intent says, as its target would in the end: None when there is nothing to do."""
        asked = self.requested()
        if asked is None or asked.target is None:
            return None
        self.report(asked.old_primary, state="standby", epoch=asked.epoch)
        self.lead(holder=asked.target, epoch=asked.epoch + 1)
        self.report(asked.target, state="active", epoch=asked.epoch + 1)
        return asked
