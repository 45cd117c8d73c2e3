"""Reads the cluster's documents in the store, and replaces the intent. Every call has a timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime
from functools import partial
from typing import TypeVar

from api.domain.cluster.snapshot import AgentSeen, LeaseSeen, Snapshot
from clipping.contract.cluster import (
    AgentRecord,
    BrokenDocument,
    Intent,
    Lease,
    agents_prefix,
    intent_key,
    lease_key,
)
from clipping.errors import CoordinationUnavailable, StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import ObjectInfo, Store

SECONDS = 8.0
"""The timeout of a read and of a write: the caller is waiting."""
_CALLS_AT_ONCE = 8

Found = tuple[bytes, ObjectInfo] | None
Result = TypeVar("Result")
Document = TypeVar("Document", Lease, Intent)

log = get_logger(__name__)


class Coordination:
    """One cluster's documents. Every method raises `CoordinationUnavailable` when the store does not answer.

    Connects on the first call. Calls run in separate threads, so that a hanging one is abandoned after
    `SECONDS`. While hanging calls occupy all threads, further calls fail in time too.
    """

    def __init__(self, store: Store, cluster: str, *, has_leader: bool) -> None:
        self._store = store
        self._cluster = cluster
        self._has_leader = has_leader
        self._threads = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="coordination")
        self._recent: tuple[float, Snapshot] | None = None

    def snapshot(self) -> Snapshot:
        """All current documents.

        Also raises for an invalid lease or intent, as no decision must be based on the other documents alone.
        An agent's invalid document is part of the result.
        """
        give_up = time.monotonic() + SECONDS
        lease_read = self._begin(partial(self._store.get, lease_key(self._cluster)))
        intent_read = self._begin(partial(self._store.get, intent_key(self._cluster)))
        time_read = self._begin(self._store.server_time)
        lease_found, intent_found = _result(lease_read, give_up), _result(intent_read, give_up)
        now = _result(time_read, give_up)
        # Not in parallel: an adapter may retry a listing for long, while a read fails at once.
        listed = _result(self._begin(partial(self._store.list, agents_prefix(self._cluster))), give_up)
        keys = [each.key for each in listed.objects if each.key.endswith(".json")]
        agent_reads = [(key, self._begin(partial(self._store.get, key))) for key in keys]
        agents = [(key, _result(read, give_up)) for key, read in agent_reads]
        # The time was read in parallel: an object that was written in between must not be from the future.
        now = max([now, *(found[1].created_at for found in (lease_found, intent_found) if found)])
        lease = self._understood(Lease, lease_key(self._cluster), lease_found)
        intent = self._understood(Intent, intent_key(self._cluster), intent_found)
        seen = Snapshot(
            cluster=self._cluster,
            has_leader=self._has_leader,
            now=now,
            lease=_lease_seen(lease, lease_found, now) if self._has_leader else None,
            intent=intent or Intent(),
            intent_version=intent_found[1].version if intent_found else None,
            agents=[_agent_seen(key, found, now) for key, found in agents if found],
        )
        self._recent = time.monotonic(), seen
        return seen

    def recent(self, max_age_seconds: float) -> Snapshot:
        """A snapshot that is at most this old, for frequent callers."""
        recent = self._recent
        if recent is not None and time.monotonic() - recent[0] <= max_age_seconds:
            return recent[1]
        return self.snapshot()

    def replace_intent(self, intent: Intent, *, expected: str | None) -> None:
        """Write the intent if it is still the expected version. Raises `VersionMismatch` otherwise.

        After a `CoordinationUnavailable` it may have been written, or may still be.
        """
        key, data = intent_key(self._cluster), intent.to_json()
        give_up = time.monotonic() + SECONDS
        try:
            _result(self._begin(partial(self._store.replace, key, data, expected=expected)), give_up)
        except CoordinationUnavailable:
            # Only the response may have been lost, and not the write.
            found = _result(self._begin(partial(self._store.get, key)), time.monotonic() + SECONDS)
            if found is None or found[0] != data:
                raise

    def close(self) -> None:
        """Refuse further calls. Does not wait for hanging ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, call: Callable[[], Result]) -> Future[Result]:
        return self._threads.submit(call)

    def _understood(self, kind: type[Document], key: str, found: Found) -> Document | None:
        if found is None:
            return None
        try:
            document = kind.from_json(found[0])
            if getattr(document, "cluster", self._cluster) != self._cluster:
                raise BrokenDocument("it belongs to another cluster")
            return document
        except BrokenDocument as error:
            problem = error.message
        log.error("coordination.broken", key=key, version=found[1].version, problem=problem)
        raise CoordinationUnavailable(
            f"{key} in the store can't be parsed ({problem}), so that it has no effect: inspect the "
            "object, and delete it if it is not needed"
        )


def _result(future: Future[Result], give_up: float) -> Result:
    try:
        return future.result(max(0.0, give_up - time.monotonic()))
    except FutureTimeout:
        future.cancel()
        raise CoordinationUnavailable("the agents' store does not answer in time") from None
    except StoreUnavailable as error:
        raise CoordinationUnavailable(f"the agents' store is not available: {error.message}") from error
    except ValueError as error:  # the object is too large
        raise CoordinationUnavailable(f"the agents' store has an invalid object: {error}") from error


def _lease_seen(lease: Lease | None, found: Found, now: datetime) -> LeaseSeen | None:
    if lease is None or found is None:
        return None
    written_at = found[1].created_at
    return LeaseSeen(lease, written_at, (now - written_at).total_seconds())


def _agent_seen(key: str, found: tuple[bytes, ObjectInfo], now: datetime) -> AgentSeen:
    agent_id = key.rpartition("/")[2].removesuffix(".json")
    written_at = found[1].created_at
    age = max(0.0, (now - written_at).total_seconds())
    try:
        record = AgentRecord.from_json(found[0])
    except BrokenDocument as error:
        log.error("coordination.broken", key=key, version=found[1].version, problem=error.message)
        return AgentSeen(agent_id, written_at, age, None, f"its document can't be parsed: {error.message}")
    if record.agent_id != agent_id:
        return AgentSeen(agent_id, written_at, age, None, f"its document is {record.agent_id}'s")
    return AgentSeen(agent_id, written_at, age, record)
