"""A NAS that hangs or has stale handles: requests wait, and no file is reported as missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.agent_node import AgentNode
from tests.support.cluster import Cluster
from tests.support.hung_mount import HungMount
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def root(nas: Path, tmp_path: Path) -> Path:
    root = tmp_path / "nas"
    root.mkdir()
    shutil.copy(nas / "night.mp4", root / "night.mp4")
    return root


@pytest.fixture
def hang(root: Path) -> Iterator[Callable[[], HungMount]]:
    made: list[HungMount] = []

    def mount() -> HungMount:
        made.append(HungMount(root))
        return made[-1]

    try:
        mount().close()
    except OSError as error:
        pytest.skip(f"can't create a hung mount (requires root and FUSE): {error}")
    yield mount
    for one in made:
        one.close()


def test_requests_wait_while_the_nas_hangs_or_is_stale(
    clusters: Callable[..., Cluster], root: Path, hang: Callable[[], HungMount]
) -> None:
    cluster = clusters(root)
    first, _ = cluster.nodes
    before = cluster.observer.epochs()[-1]
    for state in ("hung", "stale"):
        mount = hang()
        if state == "stale":
            mount.fail()
        eventually(lambda: _held_up(first), "the streams to be closed", logs=cluster.logs)
        health = first.health()
        assert health is not None, "a hung NAS does not hang the health page"
        word = "no answer for" if state == "hung" else "is not usable"
        assert any(word in reason for reason in health["reasons"]), (state, health["reasons"])
        request_id = cluster.ask()
        assert first.leads(), "it hangs for the other agent, too"
        mount.close()
        status = cluster.wait(request_id)
        assert (status["status"], status["agent_id"]) == ("completed", "agent-1"), state
    assert first.events("clip.released") == [], "no delivery attempts are used"
    assert cluster.observer.epochs()[-1] == before
    cluster.settle()


def _held_up(node: AgentNode) -> bool:
    return len(node.events("intake.paused")) > len(node.events("intake.resumed"))


@pytest.mark.exhaustive
def test_a_hanging_root_does_not_delay_requests_of_another_root(
    clusters: Callable[..., Cluster], nas: Path, root: Path, hang: Callable[[], HungMount]
) -> None:
    both = {"agent": {"nas_roots": [{"path": str(root)}, {"path": str(nas)}]}}
    cluster = clusters(nas, each={0: both, 1: both})
    mount = hang()
    assert cluster.wait(cluster.ask())["status"] == "completed"
    eventually(
        lambda: any("no answer for" in reason for reason in (cluster.nodes[0].health() or {})["reasons"]),
        "the leader to detect it",
        every=0.5,
        logs=cluster.logs,
    )
    assert cluster.wait(cluster.ask())["status"] == "completed"
    assert cluster.nodes[0].events("clip.released") == []
    mount.close()
    cluster.settle()


def _ask_before_it_is_detected(cluster: Cluster, hang: Callable[[], HungMount]) -> tuple[HungMount, str]:
    """Hang the NAS, and request a clip that the leader takes before its next check of the NAS."""
    first = cluster.nodes[0]
    for _ in range(5):
        mount = hang()
        request_id = cluster.ask()
        eventually(lambda: first.events("clip.deferred") or _held_up(first), "it to be detected")
        if _is_taken(first, request_id):
            eventually(lambda: first.events("clip.deferred"), "the request to wait", logs=cluster.logs)
            return mount, request_id
        mount.close()
        cluster.wait(request_id)
    raise AssertionError(f"the check came first five times{cluster.logs()}")


def _is_taken(node: AgentNode, request_id: str) -> bool:
    """Whether the agent works on it. It takes no requests once it has detected the fault."""
    return request_id in str((node.health() or {})["in_flight"]) or bool(node.events("clip.deferred"))


def test_a_request_in_flight_when_the_nas_hangs_waits_and_does_not_fail(
    clusters: Callable[..., Cluster], root: Path, hang: Callable[[], HungMount]
) -> None:
    cluster = clusters(root)
    first, _ = cluster.nodes
    mount, request_id = _ask_before_it_is_detected(cluster, hang)
    assert {event["code"] for event in first.events("clip.deferred")} == {"SOURCE_UNAVAILABLE"}
    eventually(lambda: first.events("intake.paused"), "the streams to be shut", logs=cluster.logs)
    assert len(first.events("clip.deferred")) <= 2, "no retry storm"
    mount.close()
    assert cluster.wait(request_id)["status"] == "completed"
    cluster.settle()
