"""Polls the holder's `/health`, and counts. The lease decides; a poll only says whether to wait for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from clipping.clock import Clock
from clipping.errors import ClippingError, StoreUnavailable
from clipping.log import get_logger
from health.election.observation import LeaseView
from health.election.timings import Timings
from health.lease.calls import Calls, Slot

log = get_logger(__name__)

MAX_BODY_BYTES = 256 * 1024
MAX_SNAPSHOT_AGE_SECONDS = 15.0
RISE = 2
"""A holder that counts as dead has to answer so often in a row to count as alive again."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom to poll. `instance` tells a restarted one from the one before."""

    agent_id: str
    instance: str
    url: str


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll found."""

    ok: bool
    detail: str


class PollFunction(Protocol):
    def __call__(self, holder: Holder, cluster: str, timeout: float) -> Poll: ...


def poll(holder: Holder, cluster: str, timeout: float, *, token: str | None = None) -> Poll:
    """`GET /health` of the holder, without following or proxying anything. Raises nothing."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(
                f"{holder.url}/health", headers=headers, timeout=timeout, stream=True, allow_redirects=False
            ) as answer:
                if answer.status_code == 429:
                    return Poll(True, "alive, and asks for fewer polls")
                if answer.status_code != 200:
                    return Poll(False, f"answers {answer.status_code}")
                body = b""
                for chunk in answer.iter_content(16 * 1024):
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        break
    except requests.Timeout:
        return Poll(False, f"no answer within {timeout:g} s")
    except (requests.RequestException, OSError, ValueError) as error:
        return Poll(False, f"can't be reached: {type(error).__name__}")
    return judge(body, holder, cluster)


def judge(body: bytes, holder: Holder, cluster: str) -> Poll:
    """Whether a 200's body is that of an agent which leads, now."""
    if len(body) > MAX_BODY_BYTES:
        return Poll(False, "answers with more than a health page")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Poll(False, "does not answer in JSON")
    if not isinstance(said, dict):
        return Poll(False, "does not answer with an object")
    return _judge_words(said, holder, cluster)


def _judge_words(said: dict[str, Any], holder: Holder, cluster: str) -> Poll:
    for field, expected in (("cluster", cluster), ("agent_id", holder.agent_id), ("role", "active")):
        if said.get(field) != expected:
            return Poll(False, f"its {field} is {said.get(field)!r:.80}, not {expected!r}")
    age = said.get("snapshot_age_seconds")
    if not isinstance(age, int | float) or isinstance(age, bool) or not age <= MAX_SNAPSHOT_AGE_SECONDS:
        return Poll(False, f"its page is {age!r:.20} s old")
    return Poll(True, "leads")


class HolderWatch:
    """When to poll the holder next, and how often in a row it failed."""

    def __init__(
        self, poll: PollFunction, *, cluster: str, timings: Timings, calls: Calls, clock: Clock
    ) -> None:
        self._poll, self._cluster, self._timings, self._clock = poll, cluster, timings, clock
        # A server that drips its answer keeps within each of the library's own limits, for ever.
        self._slot: Slot[Poll] = Slot(calls, clock, timings.poll_timeout + 1)
        self._holder: Holder | None = None
        self._failures = self._rises = 0
        self._next = self._last = float("-inf")
        self.detail = ""

    def follow(self, view: LeaseView) -> None:
        """Poll the holder of this lease from now on, if it has one. Another than before begins with clean
        counts; one whose lease stands still for longer than it should is polled at once."""
        lease = view.lease
        held = lease if lease is not None and lease.state == "held" else None
        holder = Holder(held.holder, held.instance, held.health_url or "") if held else None
        if holder != self._holder:
            self._holder = holder
            self.restart()
        if view.unchanged_for > self._timings.suspicious:
            self._next = min(self._next, self._last + self._timings.poll_retry)

    def restart(self) -> None:
        """Throw away what was counted, and what is under way."""
        self._failures = self._rises = 0
        self._next = self._last = float("-inf")
        self.detail = ""
        self._slot.forget()

    @property
    def failures(self) -> int:
        """Failed polls in a row. A holder that can't be polled leaves the decision to its lease."""
        if self._holder is None or not self._holder.url:
            return self._timings.poll_failures
        return self._failures

    def collect(self, now: float) -> None:
        """Count what came back, if anything did."""
        if self._slot.ready():
            self._count(self._take(), now)

    def start(self, now: float) -> float:
        """Start a poll if one is due. Returns when this is to be called next, if no call ends until then."""
        holder = self._holder
        if holder is None or not holder.url:
            return float("inf")
        if not self._slot.busy and now >= self._next:
            self._last = now
            self._slot.submit("poll", lambda: self._poll(holder, self._cluster, self._timings.poll_timeout))
        return self._slot.due if self._slot.busy else self._next

    def _take(self) -> Poll:
        try:
            return self._slot.take()
        except StoreUnavailable as error:  # what a slot raises when nothing came in time
            return Poll(False, error.message)
        except ClippingError as error:
            return Poll(False, error.message)

    def _count(self, found: Poll, now: float) -> None:
        self.detail = found.detail
        before = self._is_down()
        if found.ok:
            self._rises += 1
            if not before or self._rises >= RISE:
                self._failures = 0
        else:
            self._rises = 0
            self._failures += 1
        if self._is_down() != before:
            self._tell(found)
        again = self._timings.poll_retry if self._failures > 0 else self._timings.poll
        self._next = max(self._last + again, now)

    def _is_down(self) -> bool:
        return self._failures >= self._timings.poll_failures

    def _tell(self, found: Poll) -> None:
        """Its lease says whether it is dead; that nobody can reach it, an operator wants to know anyway."""
        assert self._holder is not None
        who = {"holder": self._holder.agent_id, "url": self._holder.url, "reason": found.detail}
        if self._is_down():
            log.warning("cluster.holder_unseen", failed_polls=self._failures, **who)
        else:
            log.info("cluster.holder_seen", **who)
