"""A reel whose agent is killed or stopped is resumed at the unfinished part, and complete."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipping.contract.reel import ReelMessage
from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make, numbers
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

RATE = 25
PARTS = [(1, 7), (10, 16), (20, 26), (30, 36)]
"""Seconds of the recording."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    over: dict[str, Any] = {"ha": {"mode": "single", "drain_seconds": 0.1}}
    with AgentProcess(tmp_path, **over) as agent:
        shutil.copy(make(Recording(seconds=40)), agent.nas / "night.mp4")
        yield agent


def folder_of(agent: AgentProcess, message: ReelMessage) -> Path:
    """What is kept of it, until after its completion."""
    return agent.folder / "state" / "checkpoints" / message.request_id


def kept(agent: AgentProcess, message: ReelMessage) -> int:
    """How many parts are finished."""
    return len(list(folder_of(agent, message).glob("*-[0-9]*.json")))


def requested(agent: AgentProcess, *, parts: int) -> ReelMessage:
    """A reel of which `parts` parts are finished."""
    clips = [{"start_seconds": start, "end_seconds": end} for start, end in PARTS]
    message = agent.send_reel(*clips, mode="encode", tsv=True)
    eventually(
        lambda: kept(agent, message) >= parts, f"{parts} parts", within=120, every=0.01, logs=agent.log
    )
    return message


@pytest.mark.parametrize(("number", "parts"), [(signal.SIGKILL, 3), (signal.SIGTERM, 1)])
def test_a_reel_is_resumed_at_the_unfinished_part(
    agent: AgentProcess, number: signal.Signals, parts: int
) -> None:
    message = requested(agent, parts=parts)
    agent.stop(number)
    finished = kept(agent, message)
    assert finished >= parts
    assert agent.objects(message.request_id) == []
    agent.start()
    [completion] = agent.completed(message.request_id, timeout=180)
    assert completion.status == "completed", completion
    [reel] = agent.objects(message.request_id)
    assert numbers(reel) == [n for start, end in PARTS for n in range(start * RATE, end * RATE)]
    assert len(agent.events("clip.resumed")) == 1
    second = [one for one in agent.progressed(message.request_id) if one.attempt == completion.attempt]
    done = [[part.index for part in one.parts if part.stage == "completed"] for one in second if one.parts]
    assert done
    assert all(set(range(finished)) <= set(one) for one in done)
    eventually(lambda: not folder_of(agent, message).exists(), "what was kept to be removed")
    assert list((agent.folder / "state" / "spool").iterdir()) == []
    assert reel.with_suffix(".tsv").exists()


def test_a_reel_that_is_cancelled_in_its_middle_leaves_nothing(agent: AgentProcess) -> None:
    message = requested(agent, parts=2)
    agent.cancel(message.request_id)
    [completion] = agent.completed(message.request_id)
    assert completion.status == "cancelled"
    assert agent.objects(message.request_id) == []
    eventually(lambda: not folder_of(agent, message).exists(), "what was kept to be removed")
    assert list((agent.folder / "state" / "spool").iterdir()) == []
