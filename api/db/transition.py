"""Applies a message to a request's row: the only code that changes or ends a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.db import clips
from api.db.tables import Clip
from api.domain import request_state as rules
from clipping.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Transition:
    """The effect of a message on one request."""

    request_id: str
    before: rules.State
    after: rules.State

    def log(self, reason: str) -> None:
        """Log a change of the status. Call it after the transaction is committed."""
        if self.after.status == self.before.status:
            return
        end = self.after.completion
        log.info(
            "request.status",
            request_id=self.request_id,
            old=self.before.status,
            new=self.after.status,
            reason=end.error.code if end and end.error else reason,
        )


def transition(clip: Clip, message: rules.AgentMessage, *, now: datetime) -> Transition:
    """Apply a message to a locked row, in the caller's transaction."""
    before = clips.state_of(clip)
    after = rules.merge(before, message)
    if clip.deleted_at is not None and getattr(message, "status", None) == "completed":
        # An agent that received the request very late has stored its object again.
        clip.deleted_at = None
    if after is not before:
        clips.store_state(clip, before, after, now=now)
    return Transition(clip.request_id, before, after)
