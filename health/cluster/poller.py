"""Polls the leader's `/health` and counts failures. A failed poll alone never causes a takeover."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from clipping.clock import Clock
from clipping.errors import ClippingError
from clipping.log import get_logger
from health.election.observation import LeaseView
from health.election.timings import Timings
from health.lease.calls import Calls, Slot

log = get_logger(__name__)

MAX_BODY_BYTES = 256 * 1024
MAX_SNAPSHOT_AGE_SECONDS = 15.0
RISE = 2
"""How many good polls in a row make a leader that counts as down count as up again."""


@dataclass(frozen=True, slots=True)
class Leader:
    """The lease holder to poll. `instance` distinguishes a restarted process from its predecessor."""

    agent_id: str
    instance: str
    url: str


@dataclass(frozen=True, slots=True)
class Poll:
    """The result of one poll."""

    ok: bool
    detail: str


class PollFunction(Protocol):
    def __call__(self, leader: Leader, cluster: str, timeout: float) -> Poll: ...


def poll(leader: Leader, cluster: str, timeout: float, *, token: str | None = None) -> Poll:
    """`GET /health` of the leader, without redirects and proxies. Raises nothing."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(
                f"{leader.url}/health", headers=headers, timeout=timeout, stream=True, allow_redirects=False
            ) as answer:
                if answer.status_code == 429:
                    return Poll(True, "alive, but limits its callers (429)")
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
    return judge(body, leader, cluster)


def judge(body: bytes, leader: Leader, cluster: str) -> Poll:
    """Whether the body of a 200 response is that of an agent that leads now."""
    if len(body) > MAX_BODY_BYTES:
        return Poll(False, f"answers with more than {MAX_BODY_BYTES} bytes")
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return Poll(False, "does not answer with JSON")
    if not isinstance(page, dict):
        return Poll(False, "does not answer with a JSON object")
    return _judge_fields(page, leader, cluster)


def _judge_fields(page: dict[str, Any], leader: Leader, cluster: str) -> Poll:
    for field, expected in (("cluster", cluster), ("agent_id", leader.agent_id), ("role", "active")):
        if page.get(field) != expected:
            return Poll(False, f"its {field} is {page.get(field)!r:.80}, not {expected!r}")
    age = page.get("snapshot_age_seconds")
    if not isinstance(age, int | float) or isinstance(age, bool) or not age <= MAX_SNAPSHOT_AGE_SECONDS:
        return Poll(False, f"its snapshot is {age!r:.20} s old")
    return Poll(True, "leads")


class LeaderPoller:
    """Polls the lease holder at its interval and counts the failures in a row."""

    def __init__(
        self, poll: PollFunction, *, cluster: str, timings: Timings, calls: Calls, clock: Clock
    ) -> None:
        self._poll, self._cluster, self._timings, self._clock = poll, cluster, timings, clock
        # A server that sends its response byte by byte never exceeds the library's own timeouts.
        self._slot: Slot[Poll] = Slot(calls, clock, timings.poll_timeout + 1)
        self._leader: Leader | None = None
        self._failures = self._rises = 0
        self._next = self._last = float("-inf")
        self.detail = ""

    def follow(self, view: LeaseView) -> None:
        """Poll the leader that has this lease from now on, if there is one. The counts of a new leader start
        at zero; a leader whose lease is overdue for renewal is polled at once."""
        lease = view.lease
        held = lease if lease is not None and lease.state == "held" else None
        leader = Leader(held.holder, held.instance, held.health_url or "") if held else None
        if leader != self._leader:
            self._leader = leader
            self.restart()
        if view.unchanged_for > self._timings.overdue:
            self._next = min(self._next, self._last + self._timings.poll_retry)

    def restart(self) -> None:
        """Reset the counts and discard a poll in progress."""
        self._failures = self._rises = 0
        self._next = self._last = float("-inf")
        self.detail = ""
        self._slot.discard()

    @property
    def failures(self) -> int:
        """Failed polls in a row. A leader without an address counts as failed: the lease alone decides."""
        if self._leader is None or not self._leader.url:
            return self._timings.poll_failures
        return self._failures

    def collect(self, now: float) -> None:
        """Count the result of a poll that has ended."""
        if self._slot.ready():
            self._count(self._take(), now)

    def start(self, now: float) -> float:
        """Start a poll if one is due. Returns when this is to be called next, if no call ends until then."""
        leader = self._leader
        if leader is None or not leader.url:
            return float("inf")
        if not self._slot.busy and now >= self._next:
            self._last = now
            self._slot.submit("poll", lambda: self._poll(leader, self._cluster, self._timings.poll_timeout))
        return self._slot.due if self._slot.busy else self._next

    def _take(self) -> Poll:
        try:
            return self._slot.take()
        except ClippingError as error:  # such as the slot's `StoreUnavailable` when the poll timed out
            return Poll(False, error.message)

    def _count(self, found: Poll, now: float) -> None:
        self.detail = found.detail
        was_down = self._is_down()
        if found.ok:
            self._rises += 1
            if not was_down or self._rises >= RISE:
                self._failures = 0
        else:
            self._rises = 0
            self._failures += 1
        if self._is_down() != was_down:
            self._log_change(found)
        again = self._timings.poll_retry if self._failures > 0 else self._timings.poll
        self._next = max(self._last + again, now)

    def _is_down(self) -> bool:
        return self._failures >= self._timings.poll_failures

    def _log_change(self, found: Poll) -> None:
        """Only the lease shows whether the leader is dead; the operator should know that polls fail."""
        assert self._leader is not None
        leader = {"leader": self._leader.agent_id, "url": self._leader.url, "reason": found.detail}
        if self._is_down():
            log.warning("cluster.leader_unreachable", failed_polls=self._failures, **leader)
        else:
            log.info("cluster.leader_reachable", **leader)
