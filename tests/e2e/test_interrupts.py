"""SIGINT and SIGTERM at many points of a start: no traceback, the correct exit code, no orphan processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.broker import BrokerProcess
from tests.support.held import hold_cut
from tests.support.interrupts import Ended, Interrupter
from tests.support.media import Recording, make
from tests.support.procs import alive, descendants_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SPREAD = (0.8, 1.0)
"""Points as shares of all events. Most are imports; the events after them create resources."""
LANDMARKS = (
    "subprocess.Popen#2",
    "socket.bind#1",
    "sqlite3.connect#1",
    "fcntl.flock#1",
    "tempfile.mkdtemp#1",
)
"""Events just before a resource is created that must be cleaned up."""


def interrupted(
    command: Interrupter,
    *,
    service: bool,
    spread: Sequence[float] = SPREAD,
    landmarks: Sequence[str] = LANDMARKS,
    reset: Callable[[], object] = lambda: None,
) -> Iterator[tuple[signal.Signals, str, Ended]]:
    """Run once per point, alternating the two signals. `reset` is called before each run."""
    events = command.events(service=service)
    points = [f"#{1 + int(share * (events - 1))}" for share in spread]
    for turn, point in enumerate([*points, *landmarks]):
        number = SIGNALS[turn % 2]
        reset()
        yield number, point, command.run(number, point, until_ready=service)


def check_quiet(number: signal.Signals, point: str, ended: Ended) -> None:
    for word in ("Traceback", "Exception ignored", "because of a bug"):
        assert word not in ended.stderr, (number.name, point, ended.stderr)


def check_service(number: signal.Signals, point: str, ended: Ended) -> None:
    """It stopped gracefully, or was killed before there was anything to clean up."""
    check_quiet(number, point, ended)
    assert ended.code in (0, -number), (number.name, point, ended)


def check_tool(number: signal.Signals, point: str, ended: Ended) -> None:
    """It was interrupted, or had finished before the signal."""
    check_quiet(number, point, ended)
    assert ended.code in (128 + number, -number, 0), (number.name, point, ended)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """An agent's configuration, and an environment with a broker that has its topics."""
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / "night.mp4").touch()
    tree: dict[str, Any] = {
        "agent": {
            "id": "nas-1",
            "state_dir": str(tmp_path / "state"),
            "nas_roots": [{"path": str(tmp_path / "nas")}],
        },
        "storage": {"path": str(tmp_path / "store")},
        "health": {"host": "127.0.0.1", "port": 0},
        "api": {"port": 0, "database_url": f"sqlite:///{tmp_path}/clips.db"},
        "ha": {"mode": "single"},
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tree))
    with BrokerProcess(tmp_path / "broker") as broker:
        environ = {"PUBSUB_EMULATOR_HOST": broker.host_port}
        subprocess.run(
            [sys.executable, "-m", "agent.cli", "provision", "--config", str(config)],
            env={**os.environ, **environ},
            check=True,
            timeout=90,
        )
        yield config, environ


@pytest.mark.exhaustive
def test_the_agent(tmp_path: Path, agent: tuple[Path, dict[str, str]]) -> None:
    config, environ = agent
    command = ["agent.cli", "run", "--json", "--config", str(config)]
    for number, point, ended in interrupted(Interrupter(tmp_path, command, environ), service=True):
        check_service(number, point, ended)
        assert list((tmp_path / "state" / "spool").glob("*")) == []


def test_the_api(tmp_path: Path, agent: tuple[Path, dict[str, str]]) -> None:
    config, environ = agent
    command = ["api.cli", "serve", "--json", "--config", str(config)]
    for number, point, ended in interrupted(Interrupter(tmp_path, command, environ), service=True):
        check_service(number, point, ended)


@pytest.mark.exhaustive
def test_the_doctor(tmp_path: Path, agent: tuple[Path, dict[str, str]]) -> None:
    config, environ = agent
    command = ["agent.cli", "doctor", "--json", "--config", str(config)]
    for number, point, ended in interrupted(Interrupter(tmp_path, command, environ), service=False):
        check_tool(number, point, ended)


def test_a_cut(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    source = make(Recording(seconds=60))
    command = ["agent.cli", "cut", str(source), "1", "30", "--mode", "encode", "-o", str(out / "clip.mp4")]
    runs = Interrupter(tmp_path, command, {})
    for number, point, ended in interrupted(
        runs, service=False, reset=lambda: (out / "clip.mp4").unlink(missing_ok=True)
    ):
        check_tool(number, point, ended)
        assert [path.name for path in out.iterdir()] == ["clip.mp4"] * (ended.code == 0), (number, point)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_running_cut(tmp_path: Path, number: signal.Signals) -> None:
    source = make(Recording(seconds=60))
    command = [sys.executable, "-m", "agent.cli", "cut", str(source), "0", "59", "--mode", "encode"]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "clip.mp4")], stderr=subprocess.PIPE)
    eventually(lambda: list(tmp_path.glob(".clipping-*")), "the clip's folder")
    hold_cut(process.pid, next(tmp_path.glob(".clipping-*")))
    helpers = descendants_of(process.pid)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (128 + number, b"")
    assert list(tmp_path.iterdir()) == []
    assert helpers
    eventually(lambda: not any(map(alive, helpers)), "its processes to exit")


def test_the_whole_stack(tmp_path: Path) -> None:
    command = ["clipping.cli", "up", "--json", "--port", "0", "--data", str(tmp_path / "data")]
    children = [f"subprocess.Popen#{count}" for count in (1, 2, 3, 4)]
    runs = interrupted(
        Interrupter(tmp_path, command, {}),
        service=True,
        spread=(0.5, 0.9, 0.95, 0.99),
        landmarks=["fcntl.flock#1", *children],
    )
    for number, point, ended in runs:
        check_service(number, point, ended)
