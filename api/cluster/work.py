"""What the agents work on, for administrators. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.db.in_flight import Begun
from clipping.contract.results import FailoverSeconds, InFlightClip

MOST = 50
"""Requests that are listed of each agent."""
HANDOVER_SECONDS = 4.0
"""How long two agents take for a planned failover, without clips in flight: the leader reads the intent every
2.5 s, and the target the lease twice a second."""
DRAIN_SECONDS = 300.0
"""What `ha.drain_seconds` is where an agent of an earlier version does not report it."""
_ENOUGH_PERCENT = 5.0
"""From here on, the progress so far says more than the estimate before the start."""
_LAST_SECONDS = 1.0
"""What remains when all is cut: the upload has no percentage."""


def clips_of(agent_id: str, begun: Sequence[Begun], now: datetime) -> list[InFlightClip]:
    """What an agent works on."""
    own = [each for each in begun if each.agent_id == agent_id][:MOST]
    return [
        InFlightClip(
            request_id=each.request_id,
            kind=each.kind,
            hand_id=each.hand_id,
            stage=each.stage,
            progress_percent=each.progress_percent,
            started_at=each.started_at,
            seconds_left=seconds_left(each, now),
        )
        for each in own
    ]


def seconds_left(begun: Begun, now: datetime) -> float | None:
    """How long a request in flight will take; None without a basis."""
    percent = begun.progress_percent
    if percent >= 100:
        return _LAST_SECONDS
    if percent >= _ENOUGH_PERCENT and begun.started_at is not None:
        worked = max(0.0, (now - begun.started_at).total_seconds())
        return round(max(_LAST_SECONDS, worked * (100 - percent) / percent), 1)
    if begun.estimated_seconds is None:
        return None
    return round(max(_LAST_SECONDS, begun.estimated_seconds * (100 - percent) / 100), 1)


def failover_seconds(clips: Sequence[InFlightClip], drain_seconds: float | None) -> FailoverSeconds:
    """How long a planned failover would take now, with these clips of the leader in flight."""
    most = DRAIN_SECONDS if drain_seconds is None else drain_seconds
    longest = max((clip.seconds_left or 0.0 for clip in clips), default=0.0)
    return FailoverSeconds(graceful=round(min(longest, most) + HANDOVER_SECONDS, 1), fast=HANDOVER_SECONDS)
