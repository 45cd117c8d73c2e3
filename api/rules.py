"""What a message does to a request: pure decisions, and the same result in whatever order messages come.

Pub/Sub delivers at least once and in any order, two agents may work on one request after a failure, and the
outbox may publish a request twice. So:

- `completed` wins over everything and is final; the first one stands.
- `failed` and `cancelled` are final too, except that a later `completed` overrides them: the clip is there.
- Progress never moves a request that has ended. Of two progress messages the one of the higher attempt
  counts; within an attempt the higher `seq`, and the percentage never goes back.
- A message that was seen before changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from clipping.messages import TERMINAL, CompletionMessage, ErrorInfo, ProgressMessage, Stage, Status

LOST = "LOST"
"""The code of a request that Pub/Sub gave up on: every attempt ended without a word."""

_STAGES: tuple[Stage, ...] = ("waiting", "probing", "cutting", "verifying", "uploading")


@dataclass(frozen=True)
class State:
    """What messages have told of one request."""

    status: Status = "queued"
    stage: Stage | None = "waiting"
    """None when the request has ended."""
    progress_percent: float | None = 0.0
    """0 to 100; None when the request ended without a clip."""
    attempt: int = 0
    epoch: int = 0
    seq: int = 0
    agent_id: str | None = None
    completion: CompletionMessage | None = None
    """The message that ended it."""


def merge(state: State, message: CompletionMessage | ProgressMessage) -> State:
    """The state after the message: the very same object when the message changes nothing."""
    if isinstance(message, CompletionMessage):
        return _ended(state, message)
    return _progressed(state, message)


def _ended(state: State, message: CompletionMessage) -> State:
    if state.status == "completed":
        return state
    if state.status in TERMINAL and message.status != "completed":
        return state
    return State(
        status=message.status,
        stage=None,
        progress_percent=100.0 if message.status == "completed" else None,
        attempt=message.attempt,
        epoch=message.epoch,
        seq=0,
        agent_id=message.agent_id or None,
        completion=message,
    )


def _progressed(state: State, message: ProgressMessage) -> State:
    if state.status in TERMINAL:
        return state
    percent = _clamped(message.progress_percent)
    if state.status == "processing" and message.attempt == state.attempt:
        percent = max(percent, state.progress_percent or 0.0)
    if state.status == "processing" and _rank(message) <= _rank(state):
        if message.attempt < state.attempt or percent == state.progress_percent:
            return state
        # A straggler of this attempt is no news but for a percentage that was reached already.
        return replace(state, progress_percent=percent)
    return State(
        status="processing",
        stage=message.stage,
        progress_percent=percent,
        attempt=message.attempt,
        epoch=message.epoch,
        seq=message.seq,
        agent_id=message.agent_id,
    )


def _rank(of: State | ProgressMessage) -> tuple[int, int, int, str, int]:
    # Agent and stage break ties between two agents that work on the same request at the same time.
    return of.attempt, of.epoch, of.seq, of.agent_id or "", _STAGES.index(of.stage or "waiting")


def _clamped(percent: float) -> float:
    return max(0.0, min(100.0, percent))


def given_up(*, request_id: str, hand_id: str, attempts: int, now: datetime) -> CompletionMessage:
    """The end of a request that Pub/Sub moved to the dead letters after `attempts` deliveries."""
    times = f"{attempts} attempts" if attempts > 1 else "all attempts"
    message = (
        f"gave up after {times}: no agent could finish this clip or say why. Ask for it again; "
        "if that fails as well, an operator should look at the agents' logs"
    )
    return CompletionMessage(
        request_id=request_id,
        hand_id=hand_id,
        status="failed",
        agent_id="",
        epoch=0,
        attempt=attempts,
        completed_at=now,
        error=ErrorInfo(code=LOST, message=message),
        error_message=message,
    )
