"""`clipping-agent ctl`: controls the agent that runs on this machine."""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.commands.parser import config_path
from agent.control import SOCKET_NAME, reachable, read_line
from clipping import config_file
from clipping.clock import SystemClock
from clipping.errors import ClippingError, ConfigurationError
from clipping.exits import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_OK

if TYPE_CHECKING:
    from clipping.config import Config

ANSWER_SECONDS = 10.0
HEALTH_SECONDS = 5.0
"""The agent answers at once, unless it is frozen."""
LOOK_SECONDS = 0.5
DRAIN_EXTRA_SECONDS = 30.0


class NotRunning(ClippingError):
    """No agent answers."""

    code = "NOT_RUNNING"


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 done, 1 refused or no agent answers, 78 a broken configuration."""
    answer = _answer(arguments)
    if arguments.json:
        print(json.dumps(answer))
    elif answer["ok"]:
        print(_text(arguments.command, answer))
    else:
        print("\n".join(answer.get("problems") or [answer["message"]]), file=sys.stderr)
    if answer["ok"]:
        return EXIT_OK
    return EXIT_CONFIGURATION if answer.get("code") == "CONFIGURATION" else EXIT_FAILED


def _answer(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.command == "health":
        # Run every few seconds, so it loads and validates nothing that it does not need.
        found = config_file.value("agent.state_dir", config_path(arguments))
        state_dir = Path(found if isinstance(found, str) else config_file.STATE_DIR)
        return ask(state_dir, "health", timeout=HEALTH_SECONDS)
    config = _configuration(arguments)
    state_dir = Path(config.agent.state_dir)
    answer = ask(state_dir, arguments.command)
    if answer["ok"] and arguments.command == "drain" and not arguments.no_wait:
        answer = _drained(state_dir, config.ha.drain_seconds + DRAIN_EXTRA_SECONDS)
    return answer


def _configuration(arguments: argparse.Namespace) -> Config:
    """For `agent.state_dir`. With an invalid file that names it all commands but `reload` still work."""
    from clipping.config import load, validate

    path = config_path(arguments)
    try:
        return load(path)
    except ConfigurationError as error:
        if arguments.command == "reload" or path is None:
            raise
        problems = error
    try:
        return validate({"agent": {"state_dir": config_file.value("agent.state_dir", path)}})
    except ConfigurationError:
        raise problems from None


def ask(state_dir: Path, command: str, *, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
    """The agent's answer. Raises `NotRunning`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            with reachable(state_dir) as name:
                connection.connect(name)
            connection.sendall(json.dumps({"command": command}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(read_line(connection))
            return answer
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotRunning(f"no agent answers at {state_dir / SOCKET_NAME}: {why}") from None


def _drained(state_dir: Path, timeout: float) -> dict[str, Any]:
    clock = SystemClock()
    give_up = clock.monotonic() + timeout
    while True:
        time.sleep(LOOK_SECONDS)
        status = ask(state_dir, "status")
        if not status["ok"] or _is_drained(status):
            return status
        if clock.monotonic() >= give_up:
            message = f"timed out after {timeout:g} s: the drain is still in progress"
            return {**status, "ok": False, "code": "TIME_LIMIT", "message": message}


def _is_drained(status: dict[str, Any]) -> bool:
    if status["mode"] != "primary-standby":  # no agent to hand over to: it only takes no new clips
        return not status["intake"] and not status["in_flight"]
    return status["role"] not in ("active", "draining")


def _text(command: str, answer: dict[str, Any]) -> str:
    if command == "reload":
        applied, waiting = answer["applied"], answer["needs_restart"]
        lines = (
            [f"applied: {', '.join(applied)}"] if applied else ["no change that applies without a restart"]
        )
        return "\n".join(lines + ([f"needs a restart: {', '.join(waiting)}"] if waiting else []))
    if command in ("health", "pause", "resume"):
        return str(answer["message"])
    lease = answer["lease"]
    lines = [
        f"{answer['agent_id']}: {answer['role']} ({answer['status']}), epoch {answer['epoch']}",
        f"  {answer['why']}",
    ]
    if lease["holder"]:
        left = lease["remaining_seconds"]
        lines.append(f"  lease: {lease['holder']}" + ("" if left is None else f", {left:g} s left"))
    lines += [f"  ! {reason}" for reason in answer["reasons"]]
    lines += [
        f"  {clip['request_id']} {clip['stage']} {clip['progress_percent']:g} %"
        for clip in answer["in_flight"]
    ]
    return "\n".join(lines)
