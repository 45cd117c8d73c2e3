"""A request that an outage interrupts waits for its end, without a slot and without using up deliveries."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.work.deferred import cause, is_over
from clipping.config import NasRoot
from clipping.errors import (
    BusUnavailable,
    EncoderFailed,
    EngineUnavailable,
    LeaseLost,
    NoSpace,
    SigningUnavailable,
    SourceChanged,
    SourceUnavailable,
    StoreUnavailable,
    TransientError,
)
from health.page.snapshot import Check
from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make
from tests.support.waiting import eventually

ROOTS = [NasRoot(path="/a"), NasRoot(path="/b")]


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (SourceUnavailable("x"), ("nas /b",)),
        (NoSpace("x"), ("spool",)),
        (StoreUnavailable("x"), ("store",)),
        (SigningUnavailable("x"), ("signing",)),
        (EngineUnavailable("x"), ("ffmpeg", "engine")),
        (EncoderFailed("x"), ()),
        (SourceChanged("x"), ()),
        (BusUnavailable("x"), ()),
        (LeaseLost("x"), ()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TransientError) else None,
)
def test_what_an_error_waits_for(error: TransientError, names: tuple[str, ...]) -> None:
    assert cause(error, ["/b/night.mp4"], ROOTS) == names


def test_an_outage_is_over_when_its_checks_passed_after_it() -> None:
    checks = {"old": Check(True, "", 1.0), "new": Check(True, "", 3.0), "bad": Check(False, "", 3.0)}
    assert is_over(("new",), checks, since=2.0)
    assert is_over(("removed",), checks, since=2.0)
    for names in (("old",), ("bad",), ("new", "bad")):
        assert not is_over(names, checks, since=2.0)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    for root in ("nas", "other"):
        (tmp_path / root).mkdir()
        shutil.copy(make(Recording(seconds=12)), tmp_path / root / "night.mp4")
    roots = [{"path": str(tmp_path / "nas")}, {"path": str(tmp_path / "other")}]
    with AgentProcess(
        tmp_path, agent={"id": "nas-1", "state_dir": str(tmp_path / "state"), "nas_roots": roots}
    ) as one:
        yield one


def take_away(agent: AgentProcess) -> Path:
    away = agent.folder / "away"
    (agent.folder / "other").rename(away)
    return away


def deferred(agent: AgentProcess, count: int) -> None:
    eventually(
        lambda: len(agent.events("clip.deferred")) >= count, f"{count} clips to be deferred", logs=agent.log
    )


@pytest.mark.slow
def test_while_one_of_two_roots_is_away_its_requests_wait_and_the_others_are_served(
    agent: AgentProcess,
) -> None:
    away = take_away(agent)
    theirs = str(agent.folder / "other" / "night.mp4")
    waiting = [agent.send(nas_video_path=theirs) for _ in range(10)]  # more than there are slots
    deferred(agent, 10)
    served = [agent.send() for _ in range(5)]
    for message in served:
        assert agent.completed(message.request_id)[0].status == "completed"
    assert agent.events("clip.released") == [], "no deliveries are used up"
    away.rename(agent.folder / "other")
    for message in waiting:
        completion = agent.completed(message.request_id, timeout=120)[0]
        assert completion.status == "completed"
        assert completion.attempt >= 2, "delivered again; what a stream prefetched is counted as well"


@pytest.mark.slow
def test_a_deferred_clip_can_be_cancelled(agent: AgentProcess) -> None:
    take_away(agent)
    message = agent.send(nas_video_path=str(agent.folder / "other" / "night.mp4"))
    deferred(agent, 1)
    agent.cancel(message.request_id)
    assert agent.completed(message.request_id)[0].status == "cancelled"


@pytest.mark.slow
def test_an_agent_that_stops_gives_its_deferred_clips_back(agent: AgentProcess) -> None:
    away = take_away(agent)
    message = agent.send(nas_video_path=str(agent.folder / "other" / "night.mp4"))
    deferred(agent, 1)
    assert agent.stop() == 0
    away.rename(agent.folder / "other")
    agent.start()
    # Sooner than its lease could run out.
    assert agent.completed(message.request_id, timeout=60)[0].status == "completed"
