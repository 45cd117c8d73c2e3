"""The agents' records in the store: each agent writes its own, all read each other's."""

from __future__ import annotations

from collections.abc import Callable

from clipping.clock import Clock
from clipping.contract.cluster import (
    HEARTBEAT_SECONDS,
    AgentRecord,
    BrokenDocument,
    Intent,
    Lease,
    agent_key,
    agents_prefix,
    intent_key,
    lease_key,
)
from clipping.errors import VersionMismatch
from clipping.log import get_logger
from clipping.store.port import ObjectInfo, Store
from health.election.observation import Peer

log = get_logger(__name__)

DOWN_SECONDS = 3 * HEARTBEAT_SECONDS
"""An agent that has not written its record for this long is down, by the store's own clock."""
MOST_AGENTS = 100


def prepare_cluster(
    store: Store, cluster: str, *, clock: Clock, ttl_seconds: float, first: str | None = None
) -> bool:
    """Create a released lease for a new cluster, so that its first agent need not wait one TTL.

    `first` is the agent that should lead: the others leave the lease to it for some seconds. Returns False
    when the cluster has objects already. Raises `StoreUnavailable`.
    """
    if store.list(f"ha/{cluster}/", limit=1).objects:
        return False
    lease = Lease(
        schema=1,
        cluster=cluster,
        state="released",
        epoch=0,
        holder="none",
        instance="none",
        host="none",
        seq=0,
        target=first,
        reason="a new cluster",
        ttl_seconds=ttl_seconds,
        renewed_at=clock.now(),
    )
    try:
        store.replace(lease_key(cluster), lease.to_json(), expected=None)
    except VersionMismatch:
        return False
    return True


def read_intent(store: Store, cluster: str) -> Intent:
    """The administrator's intent; an empty one when none was ever written.

    Raises `StoreUnavailable` and `BrokenDocument`.
    """
    try:
        found = store.get(intent_key(cluster))
    except ValueError as error:  # larger than any intent
        raise BrokenDocument(str(error)) from None
    return Intent() if found is None else Intent.from_json(found[0])


def read_peers(store: Store, cluster: str, me: str) -> tuple[Peer, ...]:
    """The other agents. The age of a record is measured by the store's own clock alone.

    Raises `StoreUnavailable`.
    """
    now = store.server_time()
    peers = []
    for info in store.list(agents_prefix(cluster), limit=MOST_AGENTS).objects:
        agent_id = info.key.removeprefix(agents_prefix(cluster)).removesuffix(".json")
        if agent_id == me:
            continue
        age = (now - info.created_at).total_seconds()
        if age > DOWN_SECONDS:
            peers.append(Peer(agent_id, False, f"it has not written its record for {DOWN_SECONDS:g} s"))
            continue
        try:
            found = store.get(info.key)
        except ValueError as error:
            peers.append(Peer(agent_id, False, f"its record is not valid: {error}"))
            continue
        if found is not None:
            peers.append(_peer(agent_id, found[0]))
    return tuple(peers)


def _peer(agent_id: str, data: bytes) -> Peer:
    try:
        record = AgentRecord.from_json(data)
    except BrokenDocument as error:
        return Peer(agent_id, False, f"its record is not valid: {error.message}")
    why = "" if record.eligible else "; ".join(record.reasons) or "it reports that it is not eligible"
    if record.state != "standby":
        why = why or f"it is {record.state}"
    return Peer(agent_id, not why, why, record.rank)


class OwnRecord:
    """This agent's record. Each write expects the version of the last one, which reveals a duplicate id."""

    def __init__(self, store: Store, cluster: str, agent_id: str, instance: str) -> None:
        self._store, self._instance = store, instance
        self._key = agent_key(cluster, agent_id)
        self._version: str | None = None
        self._written = False

    def writer(self, record: AgentRecord) -> Callable[[], None]:
        """A call that writes it. Raises `StoreUnavailable` and `VersionMismatch`."""
        return lambda: self._write(record.to_json())

    def _write(self, data: bytes) -> None:
        try:
            info = self._store.replace(self._key, data, expected=self._version)
        except VersionMismatch:
            info = self._replace_unknown(data)
        self._version, self._written = info.version, True

    def _replace_unknown(self, data: bytes) -> ObjectInfo:
        """Replace a version that this process does not know: from before a restart, from a write whose
        response was lost, or from another agent of this id. Raises `VersionMismatch` if it changes again."""
        found = self._store.stat(self._key)
        if found is not None and self._written:
            self._report_duplicate()
        return self._store.replace(self._key, data, expected=found.version if found else None)

    def _report_duplicate(self) -> None:
        try:
            found = self._store.get(self._key)
            other = AgentRecord.from_json(found[0]) if found else None
        except (BrokenDocument, ValueError):
            return
        if other is None:
            return
        if other.instance != self._instance:
            log.error(
                "agent.duplicate_id",
                agent_id=other.agent_id,
                host=other.host,
                hint="two agents run under one id: agent.id must be unique in its cluster",
            )
