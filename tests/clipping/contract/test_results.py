"""Results: what the API writes, and what the client reads of other versions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from clipping.contract.results import AgentsHealth, ClipStatus, Failover, Health
from tests.api.messages import NOW, REQUEST_ID, completed

QUEUED: dict[str, Any] = {
    "request_id": REQUEST_ID,
    "hand_id": "hand-1",
    "status": "queued",
    "created_at": "2026-11-20T08:15:30.000Z",
}


def test_serialization_round_trips() -> None:
    status = ClipStatus(
        request_id=REQUEST_ID,
        hand_id="hand-1",
        status="completed",
        metadata={"a": "ä"},
        created_at=NOW.astimezone(timezone(timedelta(hours=1))),
        report=completed().report,
    )
    written = json.loads(status.to_json())
    assert written["created_at"] == QUEUED["created_at"]
    assert "error" not in written
    assert "\n" not in status.to_json()
    assert ClipStatus.model_validate_json(status.to_json()) == status


def test_fields_of_a_newer_service_are_ignored() -> None:
    newer = {
        **QUEUED,
        "new_url": "https://x/y",
        "last_error": {"code": "A", "message": "b", "at": NOW, "c": 1},
    }
    status = ClipStatus.model_validate_json(json.dumps(newer, default=datetime.isoformat))
    assert status.last_error is not None
    assert "new_url" not in status.to_json()


def test_fields_that_earlier_services_did_not_send_have_defaults() -> None:
    status = ClipStatus.model_validate_json(json.dumps(QUEUED))
    assert (status.progress_percent, status.resumed_count, status.metadata) == (0.0, 0, {})
    body = {"status": "healthy", "api_status": "healthy", "version": "0.0.1"}
    health = Health.model_validate_json(json.dumps(body))
    unknown = AgentsHealth(primary="unknown", standby="unknown")
    assert (health.agents, health.environment, health.reasons) == (unknown, "", [])


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValidationError):
        ClipStatus.model_validate_json(json.dumps({**QUEUED, "created_at": "2026-11-20T08:15:30"}))


@pytest.mark.parametrize(
    ("state", "switched", "finished", "nothing_to_do"),
    [
        ("pending", False, False, False),
        ("draining", False, False, False),
        ("failed", False, True, False),
        ("done", True, True, False),
        ("done", False, True, True),
    ],
)
def test_a_failover_has_ended_or_had_nothing_to_do(
    state: Any, switched: bool, finished: bool, nothing_to_do: bool
) -> None:
    switched_at = NOW if switched else None
    failover = Failover(
        operation_id="f", state=state, switched_at=switched_at, created_at=NOW, expires_at=NOW
    )
    assert (failover.finished, failover.nothing_to_do) == (finished, nothing_to_do)
