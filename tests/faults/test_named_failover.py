"""A failover to a named agent does not wait until the standbys have detected the leader's death."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from clipping.client import Client
from tests.support.cluster import Cluster
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PATIENT = {"health": {"interval_seconds": 60, "retry_seconds": 60, "failures": 3}}
"""Standbys that would poll for minutes before they take over by themselves."""


def test_a_named_standby_takes_the_lease_as_soon_as_it_expires(clusters: Callable[..., Cluster]) -> None:
    cluster = clusters(over=PATIENT)
    first, second = cluster.nodes
    first.kill()
    began = time.monotonic()
    answer = cluster.failover("agent-2", wait_seconds=55)
    took = time.monotonic() - began
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["state"], done["old_primary"], done["new_primary"]) == ("done", "agent-1", "agent-2")
    eventually(lambda: cluster.observer.epochs()[-1] == done["epoch"], "the lease's new epoch")
    assert took < 55, "it waits for the lease and not for the polls"
    second.becomes("active", logs=cluster.logs)
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-2"
    cluster.settle()


@pytest.mark.exhaustive
def test_the_service_shows_the_state_of_the_agents(clusters: Callable[..., Cluster]) -> None:
    cluster = clusters()
    first, second = cluster.nodes
    key = str(cluster.admin.headers["Authorization"]).removeprefix("Bearer ")
    with Client(cluster.url, key=key) as admin:
        before = admin.agents()
        assert before.leader == "agent-1"
        assert {agent.agent_id: (agent.role, agent.status) for agent in before.agents} == {
            "agent-1": ("primary", "active"),
            "agent-2": ("standby", "standby"),
        }
        first.kill()
        second.becomes("active", logs=cluster.logs)
        after = admin.agents()
        assert after.leader == "agent-2"
        assert after.epoch > before.epoch
        dead = next(agent for agent in after.agents if agent.agent_id == "agent-1")
        # Its document still says that it leads: a live agent would have written "fenced" by now.
        assert (dead.role, dead.status, dead.eligible) == ("standby", "down", False)
        assert "agent-2 has its lease" in dead.reasons[0]
    cluster.settle()
