"""`clipping-agent ctl health`, the health check of a container, against real agents."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from agent.commands.ctl import HEALTH_SECONDS, ask
from tests.agent.agent_process import AgentProcess
from tests.support.imports import libraries_of
from tests.support.media import Recording, make
from tests.support.procs import children_of
from tests.support.waiting import eventually

START_SECONDS = 5.0
"""For starting Python on a busy machine."""


def with_recording(folder: Path, **over: Any) -> AgentProcess:
    (folder / "nas").mkdir()
    shutil.copy(make(Recording(seconds=12)), folder / "nas" / "night.mp4")
    return AgentProcess(folder, **over)


@pytest.mark.slow
def test_one_line_while_every_loop_makes_progress_and_the_reason_once_it_is_frozen(tmp_path: Path) -> None:
    with with_recording(tmp_path) as agent:
        done = agent.command("ctl", "health")
        assert (done.returncode, done.stdout) == (0, "nas-1: active, every loop makes progress\n")
        answer = json.loads(agent.command("ctl", "health", "--json").stdout)
        assert answer["ok"] is True
        assert not agent.events("control.done"), "a check every 30 s is not logged"

        agent.config.write_text(agent.config.read_text() + "nonsense: 1\n")
        assert agent.command("ctl", "health").returncode == 0  # only the start needs a valid file

        agent.send_signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            frozen = agent.command("ctl", "health")
            assert time.monotonic() - begun < HEALTH_SECONDS + START_SECONDS
        finally:
            agent.send_signal(signal.SIGCONT)
        assert (frozen.returncode, frozen.stdout) == (1, "")
        assert frozen.stderr.count("\n") == 1
        assert f"no agent answers at {tmp_path}/state/ctl.sock: timed out" in frozen.stderr
        eventually(lambda: agent.command("ctl", "health").returncode == 0, "the agent to answer again")

        agent.stop()
        assert agent.command("ctl", "health").returncode == 1


def test_a_standby_and_an_agent_without_its_nas_are_healthy(tmp_path: Path) -> None:
    with AgentProcess(tmp_path, ha={"mode": "primary-standby"}) as agent:
        status = ask(tmp_path / "state", "status")
        assert (status["role"], status["status"]) == ("standby", "failing"), "the NAS folder is empty"
        done = agent.command("ctl", "health")
        assert (done.returncode, done.stdout) == (0, "nas-1: standby, every loop makes progress\n")


@pytest.mark.slow
def test_a_stuck_engine_is_the_reason(tmp_path: Path) -> None:
    with with_recording(tmp_path) as agent:
        (server,) = eventually(
            lambda: len(found := children_of(agent.pid)) == 1 and found, "the engine's process alone"
        )
        os.kill(server, signal.SIGSTOP)
        try:
            stuck = eventually(
                lambda: (done := agent.command("ctl", "health")).returncode == 1 and done,
                "the engine's check to fail",
                every=1.0,
                logs=agent.log,
            )
        finally:
            os.kill(server, signal.SIGCONT)
        assert stuck.stderr.startswith("the cutting process did not answer for")
        eventually(lambda: agent.command("ctl", "health").returncode == 0, "the engine to answer", every=1.0)


def test_it_loads_no_library(tmp_path: Path) -> None:
    words = ["ctl", "health"]
    assert libraries_of("agent.cli", [words]) == {" ".join(words): set()}
