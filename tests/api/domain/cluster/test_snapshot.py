"""What an agent is called, and why it can't take over, by its document and the lease."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.cluster.views import agent_of, cluster_of
from api.domain.cluster.snapshot import AgentSeen, agent_status, ineligible, reasons
from clipping.config.agent import Ha
from clipping.contract.cluster import Intent, Pause
from tests.api.cluster.documents import NOW, lease, seen, snapshot


@pytest.mark.parametrize(
    ("agent", "cluster", "expected"),
    [
        (seen("nas-2"), {}, "standby"),
        (seen("nas-1", state="active"), {}, "active"),
        (seen("nas-1", state="draining"), {}, "draining"),
        (seen("nas-2", state="fenced"), {}, "fenced"),
        # The lease is written before the new leader's own document.
        (seen("nas-1", state="standby"), {}, "active"),
        # Its last three heartbeats are missing.
        (seen("nas-2", age=91), {}, "down"),
        (seen("nas-1", age=91, state="active"), {}, "down"),
        (seen("nas-2", age=90), {}, "standby"),
        # Powered off, or cut off from the store: a live agent that loses its lease writes "fenced" at once.
        (seen("nas-2", state="active"), {}, "down"),
        (seen("nas-1", state="active"), {"lease_age": 31}, "down"),
        (seen("nas-1", state="draining"), {"lease_age": 31}, "down"),
        # The lease was deleted a moment ago, and the agent has not noticed yet.
        (seen("nas-1", state="active"), {"no_lease": True}, "active"),
        (seen("nas-1", state="active", age=41), {"no_lease": True}, "down"),
        # It handed the lease over and is about to say so; a heartbeat that is overdue says that it died.
        (seen("nas-2", state="draining", age=40), {}, "draining"),
        (seen("nas-2", state="draining", age=41), {}, "down"),
        (seen("nas-1", state="draining", age=41), {"held": lease(state="released")}, "down"),
        # It took over while the documents were being read, the lease first.
        (seen("nas-2", state="active", epoch=8), {}, "active"),
        # It has given the lease up and is about to say so.
        (seen("nas-1", state="draining"), {"held": lease(state="released")}, "draining"),
        (seen("nas-1", state="active"), {"held": lease(state="handoff", target="nas-2")}, "draining"),
        # Without an election its own status counts.
        (seen("nas-2", state="active"), {"has_leader": False, "no_lease": True}, "active"),
    ],
)
def test_an_agent_is_what_the_store_says(agent: AgentSeen, cluster: dict[str, Any], expected: str) -> None:
    assert agent_status(agent, snapshot(agent, **cluster)) == expected


def test_a_document_that_cannot_be_read_is_an_agent_that_is_down() -> None:
    broken = AgentSeen("nas-2", NOW, 1.0, None, "its document can't be parsed: epoch: Field required")
    status = agent_of(broken, snapshot(seen("nas-1"), broken), None, NOW)
    assert (status.status, status.eligible) == ("down", False)
    assert status.reasons == ["its document can't be parsed: epoch: Field required"]
    assert status.version is None


@pytest.mark.parametrize(
    ("agent", "cluster", "words"),
    [
        (seen("nas-2", age=312, state="standby"), {}, "last report was 312 s ago"),
        (
            seen("nas-1", state="active"),
            {"lease_age": 40},
            "down: its lease ran out, it was last renewed 40 s ago",
        ),
        (
            seen("nas-3", state="active", age=12),
            {},
            "down: its last report was 12 s ago, and nas-1 has its lease",
        ),
        (seen("nas-1", state="active"), {"no_lease": True}, "there is no lease"),
        (seen("nas-2", state="draining", age=41), {}, "down: its last report was 41 s ago"),
        (seen("nas-2", eligible=False, reasons=("the NAS is not mounted",)), {}, "the NAS is not mounted"),
        (seen("nas-2", eligible=False), {}, "not eligible"),
        (seen("nas-2", state="draining"), {"held": lease(state="released", holder="nas-2")}, "draining"),
    ],
)
def test_what_keeps_an_agent_from_taking_over_is_said(
    agent: AgentSeen, cluster: dict[str, Any], words: str
) -> None:
    assert words in (ineligible(agent, snapshot(agent, **cluster)) or "")


def test_a_well_standby_can_take_over() -> None:
    standby = seen("nas-2")
    assert ineligible(standby, snapshot()) is None
    assert reasons(standby, snapshot()) == []


def test_a_lease_leads_until_its_time_is_over() -> None:
    assert snapshot(lease_age=30).leader == "nas-1"
    assert snapshot(lease_age=30.1).leader is None
    assert snapshot(lease_age=30.1).lease_holder == "nas-1"
    released = snapshot(held=lease(state="released"))
    assert (released.leader, released.lease_holder, released.epoch) == (None, None, 7)
    none = snapshot(seen("nas-1", epoch=3), seen("nas-2", epoch=4), no_lease=True)
    assert (none.leader, none.epoch) == (None, 4)


def test_the_lease_holder_is_the_primary_even_when_it_is_down() -> None:
    dead = snapshot(seen("nas-1", age=200, state="active"), seen("nas-2"), lease_age=200)
    view = cluster_of(dead, Ha(), None, NOW)
    assert view.leader is None
    assert [(agent.agent_id, agent.role, agent.status) for agent in view.agents] == [
        ("nas-1", "primary", "down"),
        ("nas-2", "standby", "standby"),
    ]


def test_every_active_agent_is_a_primary_without_an_election() -> None:
    pool = snapshot(seen("a", state="active"), seen("b", state="active"), has_leader=False, no_lease=True)
    assert {agent.role for agent in cluster_of(pool, Ha(), None, NOW).agents} == {"primary"}
    assert cluster_of(pool, Ha(), None, NOW).leader is None


def test_a_pause_ends_when_it_said() -> None:
    pause = Pause(reason="upgrade", paused_by="ops", paused_at=NOW, until=NOW + timedelta(minutes=5))
    paused = snapshot(intent=Intent(pause=pause))
    assert paused.paused
    assert cluster_of(paused, Ha(), None, NOW).pause is not None
    over = replace(paused, now=NOW + timedelta(minutes=5))
    assert not over.paused
    assert cluster_of(over, Ha(), None, NOW).pause is None
