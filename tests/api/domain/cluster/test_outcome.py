"""How far a failover has come, by the lease and by what the agents say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.domain.cluster.outcome import UNPUBLISHED, Operation, follow
from api.domain.cluster.snapshot import Snapshot
from clipping.contract.cluster import Intent, IntentAnswer
from tests.api.cluster.documents import NOW, lease, seen, snapshot

ASKED = Operation(
    operation_id="failover-20261120-0123456789abcdef",
    cluster="default",
    requested_agent="nas-1",
    old_primary="nas-1",
    target="nas-2",
    old_epoch=7,
    mode="graceful",
    reason="upgrade",
    requested_by="ops",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=6),
)
REQUESTED = Intent(failover=ASKED.intent())


def requested(*agents: Any, **over: Any) -> Snapshot:
    return snapshot(*agents, **{"intent": REQUESTED, **over})


def after(cluster: Snapshot, *, seconds: float = 60) -> Operation:
    return follow(ASKED, cluster, now=NOW + timedelta(seconds=seconds))


def answer(accepted: bool, operation_id: str = ASKED.operation_id) -> IntentAnswer:
    return IntentAnswer(operation_id=operation_id, accepted=accepted, reason="the NAS is away")


ACTIVE, STANDBY = seen("nas-1", state="active"), seen("nas-2")


@pytest.mark.parametrize(
    ("cluster", "state"),
    [
        (requested(), "pending"),
        (requested(lease_age=200), "pending"),
        (requested(no_lease=True), "pending"),
        (requested(seen("nas-1", state="draining"), STANDBY), "draining"),
        (requested(seen("nas-1", state="active", intent=answer(True)), STANDBY), "draining"),
        (requested(seen("nas-1", state="active", intent=answer(True, "another")), STANDBY), "pending"),
        (requested(ACTIVE, seen("nas-2", intent=answer(True))), "pending"),
        (requested(held=lease(state="handoff", target="nas-2")), "released"),
        (requested(held=lease(state="released")), "released"),
        (requested(seen("nas-1", state="active", intent=answer(False)), STANDBY), "failed"),
        (requested(ACTIVE, seen("nas-2", intent=answer(False))), "failed"),
        (requested(held=lease(holder="nas-2", epoch=8)), "done"),
        (requested(held=lease(holder="nas-2", epoch=8, state="released")), "done"),
        (requested(held=lease(holder="nas-3", epoch=8)), "failed"),
        (requested(held=lease(holder="nas-1", epoch=8)), "failed"),
        # A recreated lease has the store's time as its epoch.
        (requested(held=lease(holder="nas-2", epoch=1_800_000_000)), "done"),
    ],
)
def test_it_is_as_far_as_the_lease_says(cluster: Snapshot, state: str) -> None:
    assert after(cluster).state == state


def test_a_switch_states_the_leader_and_the_time() -> None:
    done = after(requested(held=lease(holder="nas-2", epoch=8), lease_age=2))
    assert (done.new_primary, done.epoch, done.switched_at) == ("nas-2", 8, NOW - timedelta(seconds=2))
    other = after(requested(held=lease(holder="nas-3", epoch=9)))
    assert (other.new_primary, other.error) == ("nas-3", "nas-3 took over instead of nas-2")


def test_a_refusal_is_passed_on() -> None:
    assert (
        after(requested(ACTIVE, seen("nas-2", intent=answer(False)))).error
        == "nas-2 refused: the NAS is away"
    )


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (requested(), "nas-1 still leads"),
        (requested(lease_age=200), "there is no leader, and nas-2 did not take over"),
        (requested(no_lease=True), "there is no lease"),
    ],
)
def test_it_expires_with_a_reason(cluster: Snapshot, words: str) -> None:
    assert after(cluster, seconds=359).state == "pending"
    expired = after(cluster, seconds=360)
    assert expired.state == "expired"
    assert words in (expired.error or "")


def test_a_switch_after_the_timeout_still_counts() -> None:
    assert after(requested(held=lease(holder="nas-2", epoch=8)), seconds=999).state == "done"


def test_a_failover_that_was_never_written_fails() -> None:
    # Another instance may be about to write it.
    assert after(snapshot(), seconds=UNPUBLISHED.total_seconds() - 1) == ASKED
    unpublished = after(snapshot(), seconds=UNPUBLISHED.total_seconds())
    assert unpublished.state == "failed"
    assert "never written" in (unpublished.error or "")


@pytest.mark.parametrize("state", ["done", "failed", "expired"])
def test_a_finished_failover_does_not_change(state: Any) -> None:
    finished = replace(ASKED, state=state)
    for cluster in (requested(), snapshot(), requested(held=lease(holder="nas-3", epoch=9))):
        assert follow(finished, cluster, now=NOW + timedelta(days=1)) is finished
