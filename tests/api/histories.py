"""The messages that agents may send about one request during failures, and the result, independent of the
rules."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipping.contract.messages import CompletionMessage, ProgressMessage
from tests.api.messages import completed, failed, progress, retrying

Message = CompletionMessage | ProgressMessage


@dataclass(frozen=True)
class History:
    """Messages in the order in which they were sent, and what must be shown whatever order they come in."""

    name: str
    messages: tuple[Message, ...]
    shown: dict[str, Any]


def _steps(count: int, **over: Any) -> list[Message]:
    """One attempt's progress."""
    return [
        progress(seq=n, progress_percent=n * 10.0, stage="probing" if n == 1 else "cutting", **over)
        for n in range(1, count + 1)
    ]


def _nothing(_: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    return [], {"status": "queued", "stage": "waiting", "progress_percent": 0.0}


def _running(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    sent = _steps(2, **named, attempt=1) + _steps(2, **named, attempt=2)
    return sent, {"status": "processing", "stage": "cutting", "progress_percent": 20.0, "attempt": 2}


def _good(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    return [*_steps(1, **named), completed(**named)], {"status": "completed", "progress_percent": 100.0}


def _bad(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    return [*_steps(1, **named), failed("SOURCE_CORRUPT", **named)], {"status": "failed"}


def _dropped(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    return [*_steps(1, **named), failed("CANCELLED", status="cancelled", **named)], {"status": "cancelled"}


def _two_agents(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    """The first was thought dead and gives up, the second makes the clip."""
    first = [*_steps(1, **named, attempt=1), failed("TIME_LIMIT", **named, attempt=1)]
    second = [
        *_steps(1, **named, attempt=2, agent_id="nas-2"),
        completed(**named, attempt=2, agent_id="nas-2"),
    ]
    return first + second, {"status": "completed", "agent_id": "nas-2"}


def _deposed_and_failed(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    """Both leaders fail, each for a reason of its own."""
    first = [*_steps(1, **named, epoch=6), failed("NO_SPACE", **named, epoch=6)]
    second = [*_steps(1, **named, epoch=7), failed("SOURCE_CORRUPT", **named, epoch=7)]
    return first + second, {"status": "failed"}


def _deposed_and_done(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    """The old leader had finished; the new one begins again and fails."""
    first = [*_steps(1, **named, epoch=6), completed(**named, epoch=6)]
    second = [*_steps(1, **named, epoch=7), failed("SOURCE_CORRUPT", **named, epoch=7)]
    return first + second, {"status": "completed"}


def _tried_again(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    """The first attempt waited twice and was given up, the second one waits."""
    first = [*_steps(3, **named), retrying("NO_SPACE", **named, seq=4), retrying("NO_SPACE", **named, seq=5)]
    second = [*_steps(2, **named, attempt=2), retrying("STORE_UNAVAILABLE", **named, attempt=2, seq=3)]
    return first + second, {"status": "processing", "stage": "retrying", "attempt": 2}


def _waited_and_done(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    sent = [*_steps(2, **named), retrying(**named, seq=3), completed(**named, attempt=2)]
    return sent, {"status": "completed", "last_error": None, "next_attempt_at": None}


def _new_leader_at_work(named: dict[str, Any]) -> tuple[list[Message], dict[str, Any]]:
    first = _steps(3, **named, epoch=6, attempt=4)
    second = _steps(1, **named, epoch=7, attempt=1, agent_id="nas-2")
    shown = {"status": "processing", "stage": "probing", "progress_percent": 10.0, "agent_id": "nas-2"}
    return first + second, shown


KINDS: tuple[Callable[[dict[str, Any]], tuple[list[Message], dict[str, Any]]], ...] = (
    _nothing,
    _running,
    _good,
    _good,
    _bad,
    _dropped,
    _two_agents,
    _deposed_and_failed,
    _deposed_and_done,
    _new_leader_at_work,
    _tried_again,
    _waited_and_done,
)


def history(request_id: str, number: int) -> History:
    """One of the kinds, in turn."""
    kind = KINDS[number % len(KINDS)]
    messages, shown = kind({"request_id": request_id})
    return History(kind.__name__, tuple(messages), shown)


def delivered(histories: list[History], chance: random.Random) -> list[Message]:
    """All their messages in any order, every third one twice or more often."""
    all_of_them = [message for each in histories for message in each.messages]
    again = [message for message in all_of_them if chance.random() < 0.33]
    again += [message for message in again if chance.random() < 0.33]
    mixed = all_of_them + again
    chance.shuffle(mixed)
    return mixed
