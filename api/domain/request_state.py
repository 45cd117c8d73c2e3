"""The effect of messages on a request. Pure, and independent of the order of the messages.

Pub/Sub delivers at least once and in any order, two agents may work on one request after a failure, and the
outbox may publish a request twice. So:

- `completed` wins over everything, is accepted from any epoch and is final; the first one is kept.
- `failed` and `cancelled` are final too, except that a later `completed` overrides them: the clip exists.
- Failures, cancellations and progress from an older epoch are ignored: the new leader has the request or will
  receive it. Epoch 0 means no election, and is never older.
- Progress never changes a request that has ended. The progress message with the highest epoch wins, then the
  highest attempt, then the highest `seq`; the percentage never decreases within an attempt, nor does that of
  a part of a reel.
- A checkpoint is kept on disk, and exists regardless of later messages: the furthest one is kept.
- The newest error of an attempt (by epoch, attempt and `seq`) is kept until the request ends, also during the
next
  attempt. Only the newest progress message decides whether and until when the request waits: an older
  `retrying` changes neither stage nor `next_attempt_at`.
- A message that was seen before changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import PartStage, Stage, Status
from clipping.contract.messages import (
    TERMINAL,
    CompletionMessage,
    ErrorInfo,
    LastError,
    PartProgress,
    ProgressMessage,
    kind_of,
)
from clipping.errors import Cancelled, Lost

AgentMessage = CompletionMessage | ProgressMessage
Verdict = Literal["leave", "cancel", "wait", "publish", "give up"]

_CANCELLED = "the request was cancelled"
_STAGES: tuple[Stage, ...] = ("waiting", "probing", "cutting", "verifying", "uploading", "retrying")
_PART_STAGES: tuple[PartStage, ...] = ("waiting", "probing", "cutting", "verifying", "completed")
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Failure:
    """An error of an attempt, and its position in the request's history."""

    error: LastError
    epoch: int
    attempt: int
    seq: int
    agent_id: str


@dataclass(frozen=True)
class State:
    """What messages have reported of one request."""

    status: Status = "queued"
    stage: Stage | None = "waiting"
    """None when the request has ended."""
    progress_percent: float | None = 0.0
    """0 to 100; None when the request ended without a clip."""
    parts: tuple[PartProgress, ...] | None = None
    """Of a reel: those that have begun in this attempt, by their index; None when there is none, or when the
    request has ended."""
    attempt: int = 0
    epoch: int = 0
    """The highest epoch seen."""
    seq: int = 0
    agent_id: str | None = None
    resumed_count: int = 0
    checkpoint: Checkpoint | None = None
    last_failure: Failure | None = None
    """The newest error; None when there was none, or when the request has ended."""
    next_attempt_at: datetime | None = None
    """With stage `retrying` only."""
    completion: CompletionMessage | None = None
    """The message that ended it."""


def merge(state: State, message: AgentMessage) -> State:
    """The state after the message: the same object when the message changes nothing."""
    if isinstance(message, CompletionMessage):
        return _ended(state, message)
    return _progressed(state, message)


def is_stale(state: State, message: AgentMessage) -> bool:
    """Whether to ignore the message, as its agent no longer leads and it reports no lasting result."""
    if isinstance(message, CompletionMessage) and message.status == "completed":
        return False
    return 0 < message.epoch < state.epoch


def visible_change(before: State, after: State) -> bool:
    """Whether the ClipStatus changes, which watchers are notified of and conditional reads compare."""
    return _shown(before) != _shown(after)


def _shown(state: State) -> tuple[State, LastError | None]:
    error = state.last_failure.error if state.last_failure else None
    return replace(state, epoch=0, seq=0, last_failure=None), error


def published_again(state: State) -> State:
    """The state of a request whose message is published again: its attempts restart at one."""
    # The following attempts are newer than the failure, regardless of their numbers.
    known = replace(state.last_failure, attempt=0, seq=0) if state.last_failure else None
    return State(
        epoch=state.epoch,
        resumed_count=state.resumed_count,
        checkpoint=state.checkpoint,
        last_failure=known,
    )


def after_silence(state: State, *, cancelled: bool, tries: int, tries_allowed: int, held_up: bool) -> Verdict:
    """The decision about a request without a sign of life for too long, for the `tries`-th time.

    `held_up`: it is known that no agent takes requests now. The silence then has no meaning for this request.
    """
    if state.status in TERMINAL:
        return "leave"
    if cancelled:
        return "cancel"
    if held_up:
        return "wait"
    return "publish" if tries < tries_allowed else "give up"


def _ended(state: State, message: CompletionMessage) -> State:
    if state.status == "completed" or is_stale(state, message):
        return state
    if state.status in TERMINAL and message.status != "completed":
        return state
    return State(
        status=message.status,
        stage=None,
        progress_percent=100.0 if message.status == "completed" else None,
        attempt=message.attempt,
        epoch=message.epoch,
        agent_id=message.agent_id or None,
        resumed_count=state.resumed_count,
        completion=_explained(message),
    )


def _explained(message: CompletionMessage) -> CompletionMessage:
    # An agent only reports that a clip was cancelled; callers always get the same reason.
    if message.status != "cancelled" or message.error is not None:
        return message
    error = ErrorInfo(code=Cancelled.code, message=_CANCELLED)
    return message.model_copy(update={"error": error, "error_message": error.message})


def _progressed(state: State, message: ProgressMessage) -> State:
    if state.status in TERMINAL:
        return _resumed(state, message.checkpoint)
    state = _failed(_checkpointed(state, message.checkpoint), message)
    if is_stale(state, message):
        return state
    percent = _clamped(message.progress_percent)
    running = state.status == "processing"
    same_attempt = running and (message.epoch, message.attempt) == (state.epoch, state.attempt)
    parts = _furthest(state.parts if same_attempt else None, message.parts)
    if same_attempt:
        percent = max(percent, state.progress_percent or 0.0)
    if running and _rank(message) <= _rank(state):
        if not same_attempt or (percent, parts) == (state.progress_percent, state.parts):
            return state
        # A late message of this attempt only contributes the percentages that it had reached.
        return replace(state, progress_percent=percent, parts=parts)
    return replace(
        state,
        status="processing",
        stage=message.stage,
        progress_percent=percent,
        parts=parts,
        attempt=message.attempt,
        epoch=message.epoch,
        seq=message.seq,
        agent_id=message.agent_id,
        next_attempt_at=_next_attempt_at(message),
    )


def _furthest(
    known: tuple[PartProgress, ...] | None, reported: tuple[PartProgress, ...] | None
) -> tuple[PartProgress, ...] | None:
    """How far each part is that has begun, of what is known and what is reported, in any order."""
    found: dict[int, PartProgress] = {}
    for each in (*(known or ()), *(reported or ())):
        part = each.model_copy(update={"progress_percent": _clamped(each.progress_percent)})
        if part.index not in found or _advance(part) > _advance(found[part.index]):
            found[part.index] = part
    begun = [part for part in found.values() if _advance(part) > (0, 0.0)]
    return tuple(sorted(begun, key=lambda part: part.index)) or None


def _advance(part: PartProgress) -> tuple[int, float]:
    return _PART_STAGES.index(part.stage), part.progress_percent


def _rank(of: State | ProgressMessage) -> tuple[int, int, int, str, int, datetime]:
    # Agent, stage and time break ties between two agents that work on the same request.
    stage = _STAGES.index(of.stage or "waiting")
    return of.epoch, of.attempt, of.seq, of.agent_id or "", stage, _next_attempt_at(of) or _NEVER


def _next_attempt_at(of: State | ProgressMessage) -> datetime | None:
    return of.next_attempt_at if of.stage == "retrying" else None


def _failed(state: State, message: ProgressMessage) -> State:
    if message.last_error is None:
        return state
    reported = Failure(message.last_error, message.epoch, message.attempt, message.seq, message.agent_id)
    known = state.last_failure
    if known is not None and _recency(reported) <= _recency(known):
        return state
    return replace(state, last_failure=reported)


def _recency(failure: Failure) -> tuple[int, int, int, str, datetime, str, str]:
    # Everything after `seq` only breaks ties. The time comes from another machine.
    error = failure.error
    place = failure.epoch, failure.attempt, failure.seq, failure.agent_id
    return *place, error.at, error.code, error.message


def _checkpointed(state: State, reported: Checkpoint | None) -> State:
    state, known = _resumed(state, reported), state.checkpoint
    if reported is None or (known is not None and _reach(reported) <= _reach(known)):
        return state
    return replace(state, checkpoint=reported)


def _resumed(state: State, reported: Checkpoint | None) -> State:
    # Also for an ended request: its last progress message may arrive late.
    if reported is None or reported.resumed_count <= state.resumed_count:
        return state
    return replace(state, resumed_count=reported.resumed_count)


def _reach(checkpoint: Checkpoint) -> tuple[int, ...]:
    # All fields, so that the order of messages does not matter.
    reached = checkpoint.frame, checkpoint.segment, checkpoint.resumed_count
    return *reached, checkpoint.total, checkpoint.segments


def _clamped(percent: float) -> float:
    return max(0.0, min(100.0, percent))


def given_up(*, request_id: str, hand_id: str, attempts: int, now: datetime) -> CompletionMessage:
    """The end of a request that Pub/Sub moved to the dead letters after `attempts` deliveries."""
    times = f"{attempts} attempts" if attempts > 1 else "all attempts"
    message = (
        f"gave up after {times}: no agent could finish this {kind_of(request_id)} or report why. Request it "
        "again; if that fails too, an operator should check the agents' logs"
    )
    return _own_end(request_id, hand_id, ErrorInfo(code=Lost.code, message=message), now, attempt=attempts)


def lost(
    *, request_id: str, hand_id: str, tries: int, silent_seconds: float, now: datetime
) -> CompletionMessage:
    """The end of a request without a sign of life, although it was published again `tries` times."""
    message = (
        f"no agent has reported on this {kind_of(request_id)} for {silent_seconds:g} s, although it was "
        f"published again {tries} times. Request it again; if that fails too, an operator should check the "
        "agents"
    )
    return _own_end(request_id, hand_id, ErrorInfo(code=Lost.code, message=message), now)


def cancelled(*, request_id: str, hand_id: str, now: datetime) -> CompletionMessage:
    """The end of a request that was cancelled before an agent took it, or whose agent stopped reporting."""
    return _own_end(request_id, hand_id, ErrorInfo(code=Cancelled.code, message=_CANCELLED), now)


def _own_end(
    request_id: str, hand_id: str, error: ErrorInfo, now: datetime, *, attempt: int = 0
) -> CompletionMessage:
    return CompletionMessage(
        request_id=request_id,
        hand_id=hand_id,
        status="cancelled" if error.code == Cancelled.code else "failed",
        agent_id="",
        epoch=0,
        attempt=attempt,
        completed_at=now,
        error=error,
        error_message=error.message,
    )
