"""Who led when, from what the lease says and the failovers that were requested. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.domain.cluster.outcome import Operation
from api.domain.cluster.snapshot import Snapshot
from clipping.contract.choices import TakeoverCause
from clipping.contract.results import Takeover

LONGEST_KIND = 16
"""Characters of `kind` that are kept: a newer agent may have other kinds."""
_BY_ORDER = frozenset({"released"})
"""A leader releases the lease without naming another agent when it was stopped, or ordered to resign. One
that hands it over to another without being asked has found that it can't work."""


@dataclass(frozen=True)
class Taken:
    """An agent acquired the lease."""

    cluster: str
    epoch: int
    agent_id: str
    taken_at: datetime
    kind: str
    """As the agents name it; empty when an earlier version acquired it."""
    reason: str
    """Why the lease was given up, else why it was free."""
    from_agent: str | None = None
    unled_seconds: float | None = None
    """Since the former leader last renewed the lease, or gave it up."""
    clips_resumed: int = 0


def taken(snapshot: Snapshot) -> Taken | None:
    """How the lease was acquired last; None when no agent has led."""
    if snapshot.lease is None or snapshot.lease.lease.epoch == 0:
        return None
    lease = snapshot.lease.lease
    how = lease.acquisition
    if how is None:
        return Taken(snapshot.cluster, lease.epoch, lease.holder, snapshot.lease.written_at, "", "")
    known = how.former_agent if how.former_epoch else None
    unled = None
    if known is not None and how.former_renewed_at is not None:
        # Two clocks: the agent's own measurement counts where they disagree.
        unled = max(how.unchanged_seconds, (how.at - how.former_renewed_at).total_seconds())
    given_up = how.former_reason if known is not None else ""
    held = lease.reason if lease.state == "held" else ""
    return Taken(
        cluster=snapshot.cluster,
        epoch=lease.epoch,
        agent_id=lease.holder,
        taken_at=how.at,
        kind=how.kind[:LONGEST_KIND],
        reason=given_up or held,
        from_agent=known,
        unled_seconds=unled,
    )


def history(
    rows: Sequence[Taken], requested: Mapping[int, Operation], *, ended_at: datetime | None
) -> list[Takeover]:
    """The takeovers, in the order of `rows`: newest first.

    `requested`: the failovers, by the epoch that they led to. `ended_at`: when the newest leader stopped
    leading, if it did.
    """
    ends = [ended_at, *(_left_at(row) for row in rows[:-1])]
    return [_takeover(row, requested.get(row.epoch), until) for row, until in zip(rows, ends, strict=False)]


def _left_at(row: Taken) -> datetime:
    """When the leader before this one stopped leading."""
    return row.taken_at - timedelta(seconds=row.unled_seconds or 0.0)


def _takeover(row: Taken, operation: Operation | None, until: datetime | None) -> Takeover:
    took = row.unled_seconds
    if operation is not None and operation.switched_at is not None:
        took = (operation.switched_at - operation.created_at).total_seconds()
    return Takeover(
        epoch=row.epoch,
        agent_id=row.agent_id,
        at=row.taken_at,
        until=until,
        cause=_cause(row, operation),
        from_agent=row.from_agent,
        reason=(operation.reason if operation else row.reason) or None,
        requested_by=operation.requested_by if operation else None,
        operation_id=operation.operation_id if operation else None,
        took_seconds=None if took is None else round(max(0.0, took), 1),
        clips_resumed=row.clips_resumed,
    )


def _cause(row: Taken, operation: Operation | None) -> TakeoverCause:
    if operation is not None:
        return "planned"
    if row.kind == "first" or row.from_agent is None:
        return "first"
    return "planned" if row.kind in _BY_ORDER else "automatic"
