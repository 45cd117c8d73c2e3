"""The timings of one agent's part in the cluster, in seconds, as the configuration gives them."""

from __future__ import annotations

from dataclasses import dataclass

from clipping.config import Config

ABORT_SECONDS = 10.0
"""Maximum time for ffmpeg to end; then the process exits."""
HANDOFF_SECONDS = 15.0
"""How long a lease that was handed to an agent stays reserved for it."""
RESIGNED_SECONDS = 60.0
"""How long an agent that resigned, and was not stopped, leaves a free lease to the others."""
INTENT_SECONDS = 2.5
"""How often the intent is read."""
FREQUENT_READ_SECONDS = 0.5
"""How often the lease is read by an agent that a planned failover names."""
CANDIDATE_RANK_SECONDS = 2.0
CANDIDATE_JITTER_SECONDS = 1.0
"""How long a candidate waits: for each rank, and at random."""


@dataclass(frozen=True)
class Timings:
    """See `clipping.config.Ha` and `clipping.config.Health`."""

    ttl: float
    deadline: float
    renew: float
    retry: float
    call: float
    drain: float
    poll: float
    poll_failures: int
    poll_retry: float
    poll_timeout: float
    intent: float = INTENT_SECONDS

    @property
    def tick(self) -> float:
        """How often a standby reads the lease, and how often self-checks are counted."""
        return min(5.0, self.renew / 2)

    @property
    def abort(self) -> float:
        """Maximum time for stopping the work."""
        return min(ABORT_SECONDS, self.ttl - self.deadline)

    @property
    def handoff(self) -> float:
        """How long a handoff stays reserved for its target."""
        return min(HANDOFF_SECONDS, self.ttl)

    @property
    def veto(self) -> float:
        """How long after its expiry the lease stays with a leader that still answers on `/health`."""
        return max(3 * self.ttl, self.poll_failures * self.poll)

    @property
    def overdue(self) -> float:
        """A lease unchanged for longer should have been renewed: the leader is polled at once."""
        return self.renew * 1.5

    def takeover(self, rank: int) -> float:
        """How long after a leader's last renewal an agent of this rank leads, about: the lease has to run
        out, and as many polls to fail as are required."""
        polls = self.overdue + self.poll_failures * self.poll_timeout
        polls += (self.poll_failures - 1) * self.poll_retry
        return max(self.ttl + CANDIDATE_RANK_SECONDS * rank + CANDIDATE_JITTER_SECONDS, polls)

    @classmethod
    def of(cls, config: Config) -> Timings:
        ha, health = config.ha, config.health
        return cls(
            ttl=ha.ttl_seconds,
            deadline=ha.deadline_seconds,
            renew=ha.renew_seconds,
            retry=ha.retry_seconds,
            call=ha.store_timeout_seconds,
            drain=ha.drain_seconds,
            poll=health.interval_seconds,
            poll_failures=health.failures,
            poll_retry=health.retry_seconds,
            poll_timeout=health.timeout_seconds,
        )
