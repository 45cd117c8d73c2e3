"""A long encode of a killed agent, or of a killed cut, is resumed and not started over."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipping.contract.checkpoint import CheckpointFile
from clipping.contract.messages import CompletionMessage, RequestMessage
from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make, numbers
from tests.support.procs import descendants_of, has_open
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

START, END = 1, 25
FRAMES = (END - START) * 25
SEGMENTS = 12


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    over: dict[str, Any] = {"checkpoints": {"segment_seconds": 2}}
    with AgentProcess(tmp_path, **over) as agent:
        shutil.copy(make(Recording(seconds=26)), agent.nas / "night.mp4")
        yield agent


def kept(agent: AgentProcess, message: RequestMessage) -> CheckpointFile | None:
    try:
        file = agent.folder / "state" / "checkpoints" / message.request_id / "checkpoint.json"
        return CheckpointFile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None


def requested(agent: AgentProcess, *, percent: int) -> RequestMessage:
    """A long encode of which so much is finished."""
    message = agent.send(start_seconds=START, end_seconds=END, mode="encode")

    def reached() -> bool:
        found = kept(agent, message)
        return found is not None and found.frame * 100 >= found.total * percent

    eventually(reached, f"{percent} % of the clip", within=120, every=0.01, logs=agent.log)
    return message


def killed_at(agent: AgentProcess, message: RequestMessage) -> int:
    """How many segments were finished when everything had ended."""
    found = kept(agent, message)
    assert found is not None
    assert found.resumed_count == 0
    assert 0 < found.segment < found.segments == SEGMENTS
    return found.segment


def check_resumed(agent: AgentProcess, message: RequestMessage, segment: int) -> CompletionMessage:
    [completion] = agent.completed(message.request_id, timeout=180)
    assert completion.status == "completed", completion
    [clip] = agent.objects(message.request_id)
    assert numbers(clip) == list(range(START * 25, END * 25))
    [resumed] = agent.events("clip.resumed")
    assert resumed["resumed_count"] == 1
    assert resumed["frame"] == pytest.approx(segment * FRAMES / SEGMENTS, abs=FRAMES / SEGMENTS)
    assert not (agent.folder / "state" / "checkpoints" / message.request_id).exists()
    return completion


@pytest.mark.sampled(slow=3)
@pytest.mark.parametrize("percent", [25, 50, 75])
def test_an_agent_that_was_killed_resumes_after_its_start(agent: AgentProcess, percent: int) -> None:
    message = requested(agent, percent=percent)
    assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
    segment = killed_at(agent, message)
    agent.start()
    check_resumed(agent, message, segment)


@pytest.mark.sampled(slow=3)
@pytest.mark.parametrize("percent", [25, 50, 75])
def test_a_cut_that_was_killed_is_resumed_by_the_next_attempt(agent: AgentProcess, percent: int) -> None:
    message = requested(agent, percent=percent)
    folder = agent.folder / "state" / "spool" / message.request_id
    ffmpeg = eventually(
        lambda: next((pid for pid in descendants_of(agent.pid) if has_open(pid, folder)), None),
        "a segment that is being encoded",
        every=0.005,
        logs=agent.log,
    )
    os.killpg(os.getpgid(ffmpeg), signal.SIGKILL)
    found = kept(agent, message)
    assert found is not None
    assert check_resumed(agent, message, found.segment).attempt > 1


def test_a_stop_keeps_what_is_finished_and_releases_the_request(tmp_path: Path) -> None:
    over: dict[str, Any] = {
        "checkpoints": {"segment_seconds": 2},
        "ha": {"mode": "single", "drain_seconds": 0.1},
    }
    with AgentProcess(tmp_path, **over) as agent:
        shutil.copy(make(Recording(seconds=26)), agent.nas / "night.mp4")
        message = requested(agent, percent=25)
        assert agent.stop(signal.SIGTERM) == 0
        segment = killed_at(agent, message)
        assert agent.events("clip.given_back")
        assert [event["finished"] for event in agent.events("agent.stopped")] == [False]
        assert agent.objects(message.request_id) == []
        agent.start()
        check_resumed(agent, message, segment)
