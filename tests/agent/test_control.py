"""`clipping-agent ctl` and the agent's side of it, over a real socket."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.commands.ctl import NotRunning, ask
from agent.control import CLIENT_SECONDS, SOCKET_NAME, Control, reachable
from clipping.errors import ConfigurationError
from tests.support.waiting import eventually


def broken() -> Mapping[str, Any]:
    raise ConfigurationError(["agent.slots: wrong", "nonsense: unknown key"])


def faulty() -> Mapping[str, Any]:
    raise ZeroDivisionError


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    deep = tmp_path / ("a-state-folder-with-a-name-that-does-not-fit-into-a-sockets-address" * 3)
    deep.mkdir()
    return deep


@pytest.fixture
def control(state_dir: Path) -> Iterator[Control]:
    commands = {"status": lambda: {"role": "standby"}, "reload": broken, "drain": faulty}
    control = Control(state_dir, commands)
    control.start()
    yield control
    control.close()


def test_an_answer(control: Control, state_dir: Path) -> None:
    assert ask(state_dir, "status") == {"ok": True, "role": "standby"}


def test_only_the_agents_own_user_may_speak_to_it(control: Control, state_dir: Path) -> None:
    assert stat.S_IMODE((state_dir / SOCKET_NAME).stat().st_mode) == 0o600


def test_every_problem_of_an_invalid_configuration_is_reported(control: Control, state_dir: Path) -> None:
    answer = ask(state_dir, "reload")
    assert (answer["ok"], answer["code"]) == (False, "CONFIGURATION")
    assert answer["problems"] == ["agent.slots: wrong", "nonsense: unknown key"]


def test_a_bug_in_one_command_does_not_disable_the_others(control: Control, state_dir: Path) -> None:
    assert ask(state_dir, "drain")["code"] == "INTERNAL_ERROR"
    assert ask(state_dir, "explode")["code"] == "INVALID_REQUEST"
    assert ask(state_dir, "status")["ok"]


@pytest.mark.parametrize("sent", [b"", b"{", b"\n", b"[]\n", b'{"command": 3}\n', b"x" * 100_000])
def test_nonsense_is_refused(control: Control, state_dir: Path, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, reachable(state_dir) as name:
        connection.connect(name)
        try:
            connection.sendall(sent)
        except BrokenPipeError:
            pass
    assert ask(state_dir, "status")["ok"]


def test_a_silent_client_is_disconnected(control: Control, state_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, reachable(state_dir) as name:
        connection.connect(name)
        assert ask(state_dir, "status", timeout=CLIENT_SECONDS + 20)["ok"]


def test_without_an_agent_the_command_fails_at_once(state_dir: Path) -> None:
    with pytest.raises(NotRunning, match="no agent answers"):
        ask(state_dir, "status")


def test_a_socket_that_a_dead_agent_left_is_replaced(control: Control, state_dir: Path) -> None:
    control.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead, reachable(state_dir) as name:
        dead.bind(name)
    with pytest.raises(NotRunning):
        ask(state_dir, "status")
    again = Control(state_dir, {"status": lambda: {"pid": os.getpid()}})
    again.start()
    assert eventually(lambda: ask(state_dir, "status"))["pid"] == os.getpid()
    again.close()
    assert not (state_dir / SOCKET_NAME).exists()
