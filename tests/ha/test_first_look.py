"""What an agent reports about the store before its first read of the lease."""

from __future__ import annotations

import logging

import pytest

from health.election.election import decide
from health.election.observation import LeaseView
from health.election.roles import State
from tests.ha.observed import standby
from tests.ha.play import Play

UNREACHABLE = "the store can't be reached"


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    logged = [record for record in caplog.records if record.getMessage() in ("cluster.state", "cluster.why")]
    return [vars(record)["fields"]["reason"] for record in logged]


def test_a_lease_that_was_not_read_yet_is_no_failure_of_the_store() -> None:
    decision = decide(standby(lease=LeaseView()))
    assert (decision.state, decision.actions) == (State.STANDBY, ())
    assert decision.reason == "starting: the lease has not been read yet"


def test_a_failed_first_read_is_a_failure_of_the_store() -> None:
    assert UNREACHABLE in decide(standby(lease=LeaseView(), reachable=False)).reason


def test_no_agent_reports_an_outage_when_it_starts_with_a_healthy_store(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "health.cluster.member")
    play = Play()
    play.start()
    assert "nas-0 (epoch 1) leads" in reasons(caplog)
    assert [reason for reason in reasons(caplog) if UNREACHABLE in reason] == []
