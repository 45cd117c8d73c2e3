"""kill -9 at critical moments: every accepted request still completes once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core.exceptions import DeadlineExceeded
from google.cloud import pubsub_v1

from clipping.contract.messages import CompletionMessage
from tests.support.procs import alive, descendants_of
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]


@pytest.fixture
def own(nas: Path, tmp_path: Path) -> Iterator[RunningStack]:
    with RunningStack(tmp_path / "data", nas) as stack:
        yield stack


class Witness:
    """A separate subscription to `clipping-complete`, which receives every completion of any agent."""

    def __init__(self, stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.where["pubsub_emulator_host"])
        self._client = pubsub_v1.SubscriberClient()
        project = stack.where["project"]
        self._path = f"projects/{project}/subscriptions/witness"
        topic = f"projects/{project}/topics/clipping-complete"
        self._client.create_subscription(name=self._path, topic=topic, timeout=10)

    def completions(self) -> Counter[str]:
        """The number of *completed* messages per request so far."""
        seen: Counter[str] = Counter()
        with self._client:
            while received := self._pull():
                for one in received:
                    completion = CompletionMessage.from_json(one.message.data)
                    assert completion.status == "completed", completion
                    seen[completion.request_id] += 1
                ids = [one.ack_id for one in received]
                self._client.acknowledge(subscription=self._path, ack_ids=ids, timeout=10)
        return seen

    def _pull(self) -> list[Any]:
        try:
            answer = self._client.pull(subscription=self._path, max_messages=1000, timeout=3, retry=None)
        except DeadlineExceeded:
            return []
        return list(answer.received_messages)


def test_an_agent_is_killed_during_a_cut(
    own: RunningStack, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = Witness(own, monkeypatch)
    long_encode = {"start_seconds": 0, "end_seconds": 25, "mode": "encode"}
    request_id = own.ask(nas_video_path=str(nas / "night.mp4"), **long_encode)
    own.hold_cut(request_id)
    before = own.pid("agent-1")
    helpers = descendants_of(before)
    assert helpers, "the cut runs in child processes"
    os.kill(before, signal.SIGKILL)
    eventually(
        lambda: not any(alive(pid) for pid in helpers),
        "the cut's processes to exit with the agent",
    )
    status = own.wait(request_id, timeout=120)
    assert status["status"] == "completed", status
    assert status["attempt"] >= 2
    assert own.pid("agent-1") != before
    assert requests.get(own.where["agents"][0]["health_url"], timeout=10).status_code == 200
    assert witness.completions() == {request_id: 1}
    assert own.objects(request_id)
    eventually(lambda: not own.spool(), "an empty spool")


def test_the_broker_is_killed_with_requests_in_flight(
    own: RunningStack, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = Witness(own, monkeypatch)
    ask = {"nas_video_path": str(nas / "night.mp4"), "start_seconds": 2, "end_seconds": 12, "mode": "encode"}
    accepted = [own.ask(**ask) for _ in range(4)]
    before = own.signal("broker", signal.SIGKILL)
    accepted += [own.ask(**ask) for _ in range(2)]  # accepted while the broker is down
    assert own.pid("broker") != before
    states = Counter(own.wait(request_id, timeout=150)["status"] for request_id in accepted)
    assert states == {"completed": 6}
    # If the broker's death loses an acknowledgement, the request is redelivered: the clip is then adopted and
    # its completion is published again.
    assert set(witness.completions()) == set(accepted)
    assert all(len(own.objects(request_id)) == 1 for request_id in accepted)


def test_the_api_is_killed_between_commit_and_publish(
    own: RunningStack, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = Witness(own, monkeypatch)
    own.signal("broker", signal.SIGSTOP)  # it accepts connections and never responds: the publish hangs
    ask = {"nas_video_path": str(nas / "night.mp4"), "start_seconds": 2, "end_seconds": 4}
    accepted = [own.ask(**ask) for _ in range(3)]
    own.signal("api", signal.SIGKILL)
    own.signal("broker", signal.SIGCONT)
    states = Counter(own.wait(request_id, timeout=150)["status"] for request_id in accepted)
    assert states == {"completed": 3}
    seen = witness.completions()
    # The hung publish may have arrived in addition to the sweeper's: the second message adopts the first's
    # clip.
    assert set(seen) == set(accepted)
    assert all(len(own.objects(request_id)) == 1 for request_id in accepted)


def test_sigterm_finishes_the_clip_in_flight(own: RunningStack, nas: Path) -> None:
    ask = {"nas_video_path": str(nas / "night.mp4"), "start_seconds": 0, "end_seconds": 20, "mode": "encode"}
    request_id = own.ask(**ask)
    held = own.hold_cut(request_id)
    own.process.send_signal(signal.SIGTERM)
    eventually(lambda: "agent.stopping" in own.logs(), "the agent to handle the signal", logs=own.logs)
    held.release()
    assert own.wait_end() == 0
    own.start()
    status = own.wait(request_id)
    assert (status["status"], status["attempt"]) == ("completed", 1)


def test_a_killed_stack_leaves_no_process_and_resumes_after_a_restart(nas: Path, tmp_path: Path) -> None:
    with RunningStack(tmp_path / "data", nas, ha={"drain_seconds": 2}) as own:
        _kill_and_restart(own, nas)


def _kill_and_restart(own: RunningStack, nas: Path) -> None:
    done = own.ask(nas_video_path=str(nas / "night.mp4"), start_seconds=1, end_seconds=3)
    own.wait(done)
    waiting = own.ask(nas_video_path=str(nas / "night.mp4"), start_seconds=0, end_seconds=25, mode="encode")
    own.hold_cut(waiting)
    everything = descendants_of(own.process.pid)
    own.kill()
    eventually(lambda: not any(alive(pid) for pid in everything), "all its processes to exit", within=90)
    own.start()
    assert own.status(done)["status"] == "completed"
    assert own.wait(waiting, timeout=120)["status"] == "completed"


def test_two_agents_share_the_work_and_one_is_killed(nas: Path, tmp_path: Path) -> None:
    slots = {"agent": {"slots": {"interactive": 1, "batch": 1}}, "ha": {"mode": "pool"}}
    with RunningStack(tmp_path / "data", nas, agents=2, **slots) as stack:
        ask = {
            "nas_video_path": str(nas / "night.mp4"),
            "start_seconds": 2,
            "end_seconds": 10,
            "mode": "encode",
        }
        accepted = [stack.ask(**ask) for _ in range(6)]
        held = stack.hold_cut()
        (first,) = (folder.name for folder in stack.spool())
        others = [request_id for request_id in accepted if request_id != first]
        eventually(
            lambda: any(stack.status(other).get("agent_id") == "agent-2" for other in others),
            "the second agent to work in parallel with the first",
            logs=stack.logs,
        )
        held.release()
        assert stack.wait(first)["agent_id"] == "agent-1"

        accepted += [stack.ask(**ask) for _ in range(6)]
        stack.hold_cut()
        stack.signal("agent-1", signal.SIGKILL)
        done = [stack.wait(request_id, timeout=120) for request_id in accepted]
    assert {status["status"] for status in done} == {"completed"}
