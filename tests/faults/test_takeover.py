"""The primary is killed, frozen or stopped: the standby takes over, and no request is lost or duplicated."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.cluster import Cluster
from tests.support.procs import alive, descendants_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LONG = {"start_seconds": 0, "end_seconds": 55, "mode": "encode"}
"""A clip that takes a few seconds to cut."""


def test_an_idle_primary_is_killed(cluster: Cluster) -> None:
    first, second = cluster.nodes
    before = cluster.observer.epochs()[-1]
    first.kill()
    second.becomes("active", logs=cluster.logs)
    assert cluster.status(cluster.ask())["status"] in ("queued", "processing", "completed")
    status = cluster.wait(cluster.asked[-1])
    assert (status["status"], status["agent_id"]) == ("completed", "agent-2")
    assert cluster.observer.epochs()[-1] == before + 1

    first.start()  # there is no automatic failback
    assert first.role == "standby"
    assert second.leads()
    cluster.settle()


def test_a_primary_is_killed_during_a_cut(cluster: Cluster) -> None:
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(first, request_id)
    helpers = descendants_of(first.pid)
    assert helpers, "the cut runs in child processes"
    first.kill()
    eventually(lambda: not any(alive(pid) for pid in helpers), "ffmpeg to exit with the agent")
    status = cluster.wait(request_id, within=120)
    assert (status["status"], status["agent_id"]) == ("completed", "agent-2")
    assert second.leads()
    cluster.settle()


def test_a_primary_is_frozen_and_resumed_when_another_leads(cluster: Cluster) -> None:
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(first, request_id)
    first.signal(signal.SIGSTOP)
    second.becomes("active", logs=cluster.logs)
    assert cluster.wait(request_id, within=120)["agent_id"] == "agent-2"
    first.signal(signal.SIGCONT)
    first.becomes("standby", logs=cluster.logs)
    eventually(lambda: not first.spool(), "the clip that it has lost to be dropped", logs=cluster.logs)
    cluster.settle()
    assert {one.agent_id for one in cluster.witness.seen} == {"agent-2"}, (
        "it published nothing after resuming"
    )


@pytest.mark.exhaustive
def test_a_primary_is_frozen_while_it_uploads(cluster: Cluster) -> None:
    first, second = cluster.nodes
    cluster.freeze_uploading(first)
    second.becomes("active", logs=cluster.logs)
    for request_id in cluster.asked:
        assert cluster.wait(request_id, within=120)["status"] == "completed"
    first.signal(signal.SIGCONT)
    first.becomes("standby", logs=cluster.logs)
    cluster.settle()


def test_a_stop_during_a_cut_finishes_the_clip_and_a_fast_one_returns_it(cluster: Cluster) -> None:
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    held = cluster.hold_cut(first, request_id)
    first.signal(signal.SIGTERM)
    eventually(lambda: first.events("agent.stopping"), "the signal to be handled", logs=cluster.logs)
    held.release()
    assert first.wait() == 0
    assert [event["finished"] for event in first.events("agent.stopped")] == [True]
    second.becomes("active", logs=cluster.logs)
    assert "released" in [seen.state for seen in cluster.observer.history], (
        "the standby need not wait for the lease"
    )
    status = cluster.wait(request_id)
    assert (status["status"], status["agent_id"], status["attempt"]) == ("completed", "agent-1", 1)

    first.start()
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(second, request_id)
    second.signal(signal.SIGTERM)
    eventually(lambda: second.events("agent.stopping"), "the first signal to be handled", logs=cluster.logs)
    assert second.stop() == 0  # a second signal: return the clip instead of finishing it
    assert second.spool() == []
    first.becomes("active", logs=cluster.logs)
    assert cluster.wait(request_id, within=120)["agent_id"] == "agent-1"
    cluster.settle()


@pytest.mark.exhaustive
def test_a_drain_timeout_returns_the_clip_and_releases_the_lease(
    clusters: Callable[..., Cluster],
) -> None:
    cluster = clusters(over={"ha": {"drain_seconds": 1}})
    first, second = cluster.nodes
    request_id = cluster.ask(**LONG)
    cluster.hold_cut(first, request_id)
    helpers = descendants_of(first.pid)
    assert first.stop() == 0
    assert first.events("agent.gave_back")
    assert first.spool() == []
    assert not any(alive(pid) for pid in helpers), "ffmpeg has exited before the agent"
    second.becomes("active", logs=cluster.logs)  # it need not wait for the lease to expire
    assert "released" in [seen.state for seen in cluster.observer.history]
    status = cluster.wait(request_id, within=120)
    assert (status["status"], status["agent_id"]) == ("completed", "agent-2")
    assert status["attempt"] >= 2
    cluster.settle()
