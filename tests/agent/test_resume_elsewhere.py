"""What is finished of a long encode is in the store, and another agent goes on with it."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.resources.stored_checkpoints import look
from clipping.contract.checkpoint import CheckpointFile, StoredCheckpoint, checkpoint_folder
from clipping.contract.messages import CompletionMessage, RequestMessage
from clipping.store.local import LocalStore
from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make, numbers
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

START, END = 1, 25
FRAMES = (END - START) * 25
SEGMENTS = 12
GRACE_SECONDS = 25.0
"""From SIGTERM to SIGKILL on a preemptible machine."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    over: dict[str, Any] = {
        "checkpoints": {"segment_seconds": 2, "remote": True},
        "ha": {"mode": "single", "drain_seconds": 15},
    }
    with AgentProcess(tmp_path, **over) as agent:
        shutil.copy(make(Recording(seconds=26)), agent.nas / "night.mp4")
        yield agent


def store_of(agent: AgentProcess) -> LocalStore:
    return LocalStore(agent.folder / "store", public_url="http://127.0.0.1")


def stored(agent: AgentProcess, message: RequestMessage) -> StoredCheckpoint | None:
    found = look(store_of(agent), message.request_id)
    return None if found is None else found.checkpoint


def reached(agent: AgentProcess, message: RequestMessage, percent: int) -> StoredCheckpoint:
    """The checkpoint in the store once so much is finished."""

    def checkpoint() -> StoredCheckpoint | None:
        found = stored(agent, message)
        return found if found is not None and found.frame * 100 >= found.total * percent else None

    found: StoredCheckpoint = eventually(
        checkpoint, f"{percent} % of the clip", within=120, every=0.01, logs=agent.log
    )
    return found


def check_resumed(
    agent: AgentProcess, message: RequestMessage, before: StoredCheckpoint
) -> CompletionMessage:
    """The clip is complete, and the agent `nas-2` began behind `before` at least."""
    [completion] = agent.completed(message.request_id, timeout=180)
    assert (completion.status, completion.agent_id) == ("completed", "nas-2"), completion
    [clip] = agent.objects(message.request_id)
    assert numbers(clip) == list(range(START * 25, END * 25))
    [downloaded] = agent.events("checkpoint.downloaded")
    assert downloaded["by"] == "nas-1"
    [resumed] = agent.events("clip.resumed")
    assert resumed["resumed_count"] == 1
    assert resumed["frame"] >= before.frame
    left = checkpoint_folder(message.request_id)
    eventually(lambda: not store_of(agent).list(left).objects, "an empty folder", logs=agent.log)
    return completion


@pytest.mark.sampled(slow=3)
@pytest.mark.parametrize("percent", [25, 50, 75])
def test_another_agent_resumes_what_a_killed_one_has_finished(agent: AgentProcess, percent: int) -> None:
    message = agent.send(start_seconds=START, end_seconds=END, mode="encode")
    before = reached(agent, message, percent)
    assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
    after = stored(agent, message)
    assert after is not None
    assert before.segment <= after.segment < after.segments == SEGMENTS
    agent.become("nas-2")
    agent.start()
    check_resumed(agent, message, after)


def test_a_stop_within_the_grace_of_a_preemption_keeps_what_is_finished(agent: AgentProcess) -> None:
    """The clip would take longer than `ha.drain_seconds`: a segment is finished, and the rest given back."""
    noisy = "scale=1280:720,noise=alls=60:allf=t,format=yuv420p"  # takes long to encode
    shutil.copy(make(Recording(seconds=60, filters=noisy)), agent.nas / "noise.mp4")
    message = agent.send(
        name="noise.mp4", start_seconds=0, end_seconds=58, mode="encode", output_quality="high"
    )
    before = reached(agent, message, 5)
    begun = time.monotonic()
    assert agent.stop(signal.SIGTERM) == 0
    took = time.monotonic() - begun
    assert took < GRACE_SECONDS, agent.log()
    assert agent.events("clip.given_back")
    assert not agent.events("agent.gave_back"), "the clip ended by itself"
    assert [event["finished"] for event in agent.events("agent.stopped")] == [False]
    assert agent.objects(message.request_id) == []
    file = agent.folder / "state" / "checkpoints" / message.request_id / "checkpoint.json"
    kept = CheckpointFile.model_validate_json(file.read_bytes())
    after = stored(agent, message)
    assert after is not None
    assert before.segment <= after.segment < after.segments
    assert after.local() == kept
    agent.become("nas-2")
    agent.start()
    resumed = eventually(lambda: agent.events("clip.resumed"), "a resumed encode", within=60, logs=agent.log)
    assert resumed[0]["frame"] >= after.frame
    agent.cancel(message.request_id)
    [completion] = agent.completed(message.request_id, timeout=60)
    assert completion.status == "cancelled"
    left = checkpoint_folder(message.request_id)
    eventually(lambda: not store_of(agent).list(left).objects, "an empty folder", logs=agent.log)
