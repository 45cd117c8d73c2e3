"""Planned failovers and pauses: stored, published to the agents, and followed until they end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from api.clips.idempotency import Repeat, first_answer, forget_answer, keep_answer
from api.cluster.coordination import Coordination
from api.db import failovers as rows
from api.db.engine import Database
from api.domain.cluster.decisions import NO_LEADER, Direction, Handover, Settled, choose
from api.domain.cluster.outcome import Operation, follow, is_requested
from api.domain.cluster.snapshot import Snapshot
from clipping.clock import Clock
from clipping.config import Ha
from clipping.contract.choices import FailoverMode
from clipping.contract.cluster import FailoverIntent, Intent, Pause
from clipping.errors import (
    CoordinationUnavailable,
    NoEligibleTarget,
    NotFound,
    NotPossible,
    OperationRunning,
    QueueUnavailable,
    RequestError,
    VersionMismatch,
)
from clipping.ids import new_operation_id
from clipping.log import get_logger

POLL_SECONDS = 0.5
"""How often a caller's wait reads the store."""
SPARE_SECONDS = 60.0
"""The time limit of a failover, in addition to the drain and two lease periods."""
WATCHED = timedelta(hours=1)
"""How long `tidy` checks the store for the intent of a failed failover, to withdraw it."""
_TRIES = 5

_REFUSALS = (NotFound, NotPossible, NoEligibleTarget, OperationRunning)

log = get_logger(__name__)


@dataclass(frozen=True)
class Wanted:
    """A failover as requested by an administrator. `direction`: see `choose`."""

    agent_id: str
    target: str | None = None
    direction: Direction | None = None
    mode: FailoverMode = "graceful"
    reason: str = ""
    requested_by: str = ""


class Failovers:
    """The operations of the admin routes. Any instance can follow a failover of another one."""

    def __init__(self, database: Database, coordination: Coordination, clock: Clock, *, cluster: str, ha: Ha):
        self._database = database
        self._coordination = coordination
        self._clock = clock
        self._cluster = cluster
        self._lasts = {
            "graceful": timedelta(seconds=ha.drain_seconds + 2 * ha.ttl_seconds + SPARE_SECONDS),
            "fast": timedelta(seconds=2 * ha.ttl_seconds + SPARE_SECONDS),
        }

    def begin(self, wanted: Wanted, repeat: Repeat | None = None) -> Operation:
        """Ask the agents to hand over, once for each `repeat`: a repeated call follows the first one.

        If it raises, nothing has changed and `repeat` can be used again, except after a
        `CoordinationUnavailable` when the agents may have read the intent.
        """
        try:
            return self._earlier(repeat) or self._begin(wanted, repeat)
        except _REFUSALS:
            # The same call may have been faster on another instance, and be the reason for the refusal.
            earlier = self._earlier(repeat)
            if earlier is None:
                raise
            return earlier

    def _begin(self, wanted: Wanted, repeat: Repeat | None) -> Operation:
        operation_id, written = new_operation_id(self._now()), False
        try:
            for _ in range(_TRIES):
                snapshot = self._coordination.snapshot()
                self._refuse_second(snapshot)
                chosen = choose(snapshot, wanted.agent_id, wanted.target, wanted.direction)
                operation = self._planned(operation_id, wanted, chosen, snapshot)
                faster = self._write_down(operation, repeat, again=written)
                if faster is not None:
                    return faster
                written = True
                if operation.finished or self._publish(operation, snapshot):
                    _log_request(operation, wanted)
                    return operation
            raise OperationRunning("other calls keep changing the agents' intent: try again in a moment")
        except RequestError:
            if written and not self._is_finished(operation_id):
                self._take_back(operation_id, repeat)
            raise

    def _planned(
        self, operation_id: str, wanted: Wanted, chosen: Handover | Settled, snapshot: Snapshot
    ) -> Operation:
        now = self._now()
        assert snapshot.lease is not None, "there was something to choose"
        operation = Operation(
            operation_id=operation_id,
            cluster=self._cluster,
            requested_agent=wanted.agent_id,
            old_primary=snapshot.lease.lease.holder,
            target=chosen.target if isinstance(chosen, Handover) else chosen.leader or "",
            old_epoch=chosen.epoch,
            mode=wanted.mode,
            reason=wanted.reason,
            requested_by=wanted.requested_by,
            created_at=now,
            expires_at=now + self._lasts[wanted.mode],
        )
        if isinstance(chosen, Handover):
            return operation
        return replace(operation, state="done", new_primary=chosen.leader, epoch=chosen.epoch)

    def _earlier(self, repeat: Repeat | None) -> Operation | None:
        """The failover of an earlier identical call, with its current state. Raises `IdempotencyConflict`."""
        if repeat is None:
            return None
        with self._database.read() as session:
            found = first_answer(session, repeat, now=self._now())
        return self.find(found.decode()) if found is not None else None

    def find(self, operation_id: str) -> Operation | None:
        """The operation with its current state."""
        with self._database.read() as session:
            operation = rows.find(session, operation_id)
        if operation is None or operation.finished:
            return operation
        return self._followed(operation, self._coordination.snapshot())

    def wait(self, operation: Operation, seconds: float) -> Operation:
        """Wait up to `seconds` for the operation to finish, and return it."""
        give_up = self._clock.monotonic() + seconds
        while not operation.finished and (left := give_up - self._clock.monotonic()) > 0:
            self._clock.sleep(min(POLL_SECONDS, left))
            try:
                operation = self._followed(operation, self._coordination.snapshot())
            except (CoordinationUnavailable, QueueUnavailable) as error:
                # The agents have the intent: the result is seen when the store is back.
                log.warning("failover.unseen", operation_id=operation.operation_id, reason=error.message)
        return operation

    def pause(self, *, reason: str, until: datetime | None, paused_by: str) -> Snapshot:
        """Pause automatic takeovers, and return the cluster's state."""
        pause = Pause(reason=reason, paused_by=paused_by, paused_at=self._now(), until=until)
        return self._set_pause(pause, reason=reason, by=paused_by)

    def resume(self, *, reason: str, resumed_by: str) -> Snapshot:
        """Resume automatic takeovers, and return the cluster's state."""
        return self._set_pause(None, reason=reason, by=resumed_by)

    def tidy(self) -> None:
        """Update unfinished failovers, and withdraw the failed ones. Call it periodically."""
        with self._database.read() as session:
            known = rows.open_or_since(session, self._cluster, self._now() - WATCHED)
        if not known:
            return
        snapshot = self._coordination.snapshot()
        for operation in known:
            if not operation.finished:
                self._followed(operation, snapshot)
            elif operation.state != "done" and is_requested(operation, snapshot):
                self._withdraw(operation, snapshot)

    def _refuse_second(self, snapshot: Snapshot) -> None:
        intent = snapshot.intent.failover
        if intent is None:
            return
        with self._database.read() as session:
            known = rows.find(session, intent.operation_id)
        running = self._followed(known or self._foreign(intent), snapshot)
        if not running.finished:
            raise OperationRunning(
                f"the failover {running.operation_id} from {running.old_primary} to {running.target} is "
                f"{running.state}: wait until it is finished"
            )

    def _foreign(self, intent: FailoverIntent) -> Operation:
        """The failover of an intent that is not in this database."""
        return Operation(
            operation_id=intent.operation_id,
            cluster=self._cluster,
            requested_agent=intent.target or intent.old_primary,
            old_primary=intent.old_primary,
            target=intent.target or "",
            old_epoch=intent.epoch,
            mode=intent.mode,
            reason=intent.reason,
            requested_by=intent.requested_by,
            created_at=intent.requested_at,
            expires_at=intent.requested_at + self._lasts[intent.mode],
        )

    def _write_down(self, operation: Operation, repeat: Repeat | None, *, again: bool) -> Operation | None:
        """Store it with its key. If an identical call was faster, return its failover and write nothing."""
        with self._database.write() as session:
            if again:
                rows.rewrite(session, operation)
                return None
            answer = operation.operation_id.encode()
            earlier = keep_answer(session, repeat, answer, now=operation.created_at) if repeat else None
            if earlier is None:
                rows.add(session, operation)
                return None
            found = rows.find(session, earlier.decode())
        if found is None:  # it was abandoned just now
            raise OperationRunning("the same failover was abandoned a moment ago: try again")
        return found

    def _take_back(self, operation_id: str, repeat: Repeat | None) -> None:
        with self._database.write() as session:
            rows.remove(session, operation_id)
            if repeat is not None:
                forget_answer(session, repeat)

    def _is_finished(self, operation_id: str) -> bool:
        with self._database.read() as session:
            found = rows.find(session, operation_id)
        return found is not None and found.finished

    def _publish(self, operation: Operation, snapshot: Snapshot) -> bool:
        """Write the intent for the agents. False when another instance has written one in between."""
        intent = Intent(failover=operation.intent(), pause=snapshot.intent.pause)
        try:
            self._coordination.replace_intent(intent, expected=snapshot.intent_version)
        except VersionMismatch:
            return False
        except CoordinationUnavailable as error:
            # If the write succeeds later, `tidy` withdraws it.
            self._store(replace(operation, state="failed", error=error.message))
            raise
        return True

    def _followed(self, operation: Operation, snapshot: Snapshot) -> Operation:
        followed = follow(operation, snapshot, now=self._now())
        if followed != operation:
            self._store(followed)
            log.info(
                "failover." + followed.state,
                operation_id=followed.operation_id,
                before=operation.state,
                new_primary=followed.new_primary,
                epoch=followed.epoch,
                error=followed.error,
            )
        if followed.state in ("failed", "expired") and is_requested(followed, snapshot):
            self._withdraw(followed, snapshot)
        return followed

    def _store(self, operation: Operation) -> None:
        with self._database.write() as session:
            rows.store(session, operation)

    def _withdraw(self, operation: Operation, snapshot: Snapshot) -> None:
        """Remove the intent of a failed failover, so that it can't take effect later."""
        try:
            intent = Intent(pause=snapshot.intent.pause)
            self._coordination.replace_intent(intent, expected=snapshot.intent_version)
        except VersionMismatch:
            return  # another instance changed it: the next call removes it if it still exists
        log.info("failover.withdrawn", operation_id=operation.operation_id)

    def _set_pause(self, pause: Pause | None, *, reason: str, by: str) -> Snapshot:
        for _ in range(_TRIES):
            snapshot = self._coordination.snapshot()
            if not snapshot.has_leader:
                raise NotPossible(NO_LEADER)
            if pause is None and snapshot.intent.pause is None:
                return snapshot
            intent = Intent(failover=snapshot.intent.failover, pause=pause)
            try:
                self._coordination.replace_intent(intent, expected=snapshot.intent_version)
            except VersionMismatch:
                continue
            log.info("cluster.paused" if pause else "cluster.resumed", by=by, reason=reason or None)
            return replace(snapshot, intent=intent)
        raise OperationRunning("other calls keep changing the agents' intent: try again in a moment")

    def _now(self) -> datetime:
        """The time rounded to milliseconds, as in documents and responses."""
        now = self._clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _log_request(operation: Operation, wanted: Wanted) -> None:
    log.info(
        "failover.needless" if operation.finished else "failover.requested",
        operation_id=operation.operation_id,
        agent_id=wanted.agent_id,
        direction=wanted.direction,
        old_primary=operation.old_primary,
        target=operation.target or None,
        epoch=operation.old_epoch,
        mode=wanted.mode,
        requested_by=wanted.requested_by,
        reason=wanted.reason or None,
    )
