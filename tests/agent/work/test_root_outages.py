"""A root that disappears between its check and the cut ends no request."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make

AWAY_SECONDS, THERE_SECONDS = 0.02, 0.05
LEAST_CLIPS = 16


@contextmanager
def coming_and_going(root: Path) -> Iterator[None]:
    """The root is away again and again, as with a NAS on a bad line; in the end it is there."""
    stop = threading.Event()

    def run() -> None:
        away = root.with_name("away")
        while not stop.wait(THERE_SECONDS):
            root.rename(away)
            stop.wait(AWAY_SECONDS)
            away.rename(root)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
def test_a_root_that_disappears_and_returns_ends_no_request(tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    shutil.copy(make(Recording(seconds=12)), tmp_path / "nas" / "night.mp4")
    with AgentProcess(tmp_path) as agent:
        with coming_and_going(agent.nas):
            messages = []
            while len(messages) < LEAST_CLIPS or len(agent.events("clip.deferred")) < 5:
                messages.append(agent.send(hand_id=f"h{len(messages)}", mode="smart"))
                assert len(messages) < 100, agent.log()
                time.sleep(0.1)
        ends = [agent.completed(message.request_id, timeout=240)[0] for message in messages]
    ended = {(end.status, end.error.code if end.error else None) for end in ends}
    assert ended == {("completed", None)}, [end.error for end in ends if end.error]
