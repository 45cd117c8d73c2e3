"""What a reel of many parts needs of memory, and leaves."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.measure.forked import memory_of
from clipping.contract.reel import MAX_PARTS
from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make, numbers
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

RATE = 25
FEW = 4
MORE = 60 << 20
"""Bytes by which two runs with as many parts may differ."""


@contextmanager
def watched(agent: AgentProcess) -> Iterator[list[int]]:
    """The most memory that the agent and its processes have at once, in bytes."""
    most, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            most[0] = max(most[0], memory_of(agent.pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def most_of(agent: AgentProcess, count: int, **fields: Any) -> int:
    """The memory of a reel of `count` parts of a second."""
    parts = [{"start_seconds": n, "end_seconds": n + 1, "title": f"Part {n}"} for n in range(count)]
    with watched(agent) as most:
        message = agent.send_reel(*parts, **fields)
        [completion] = agent.completed(message.request_id, timeout=300)
    assert completion.status == "completed", completion
    assert completion.report is not None
    assert completion.report.parts is not None
    assert [part.index for part in completion.report.parts] == list(range(count))
    [reel] = agent.objects(message.request_id)
    assert len(numbers(reel)) == completion.report.frames
    assert completion.report.frames == count * RATE - (count - 1) * 5
    assert list((agent.folder / "state" / "spool").iterdir()) == []
    kept = agent.folder / "state" / "checkpoints" / message.request_id
    eventually(lambda: not kept.exists(), "what was kept to be removed")
    return most[0]


@pytest.mark.sampled(slow=2)
@pytest.mark.parametrize("mode", ["smart", "encode"])
def test_many_parts_take_no_more_memory_than_few(tmp_path: Path, mode: str) -> None:
    with AgentProcess(tmp_path) as agent:
        shutil.copy(make(Recording(seconds=60)), agent.nas / "night.mp4")
        dissolved = {"transition": {"type": "dissolve", "duration": 0.2}, "mode": mode}
        few = most_of(agent, FEW, **dissolved)
        assert most_of(agent, MAX_PARTS, **dissolved) < few + MORE
