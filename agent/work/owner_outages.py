"""Outages of the stores of callers that have credentials of their own, which concern these callers alone.

A store that all share is checked all the time, and while it fails nothing is pulled. Of the others, one is
checked only after it has failed, until it works again. Meanwhile requests of its caller are deferred at once,
without occupying the slots of others.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from agent.resources.signing import check_place
from clipping.clock import Clock
from clipping.contract.cluster import place_key
from clipping.errors import SigningUnavailable, StoreUnavailable, TransientError
from clipping.log import get_logger
from clipping.store.owners import OwnerStores
from health.page.probe import Probe
from health.page.snapshot import Check

log = get_logger(__name__)

OWNER = "owner "
"""Followed by the caller's name: the name of its check."""
INTERVAL_SECONDS, ATTEMPT_SECONDS = 5.0, 40.0
KEPT_SECONDS = 30.0
"""How long a check that passes is kept, so that those who wait for it see that it passed."""


@dataclass
class _Outage:
    probe: Probe
    error: StoreUnavailable | SigningUnavailable
    over_since: float | None = None


class OwnerOutages:
    """Which of these stores fail. Thread-safe; owns a thread for each that does."""

    def __init__(self, stores: OwnerStores, agent_id: str, clock: Clock) -> None:
        self._stores, self._key, self._clock = stores, place_key(agent_id), clock
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}

    def apart(self, owner: str) -> bool:
        """Whether the caller's store can fail alone."""
        return self._stores.apart(owner)

    def check(self, owner: str) -> None:
        """Raises the error that the caller's store failed with, while it fails."""
        with self._lock:
            outage = self._outages.get(owner)
        if outage is not None and not outage.probe.check().ok:
            raise type(outage.error)(outage.error.message)

    def failed(self, owner: str, error: StoreUnavailable | SigningUnavailable) -> None:
        """The caller's store has failed repeatedly: check it from now on."""
        with self._lock:
            known = self._outages.get(owner)
            if known is not None and not known.probe.check().ok:
                return
            if known is not None:
                known.probe.close(0)
            log.warning("owner.unavailable", owner=owner, code=error.code, error=error.message)
            self._outages[owner] = outage = _Outage(self._probe(owner), error)
            outage.probe.start()

    def causes(self, owner: str, error: TransientError) -> tuple[str, ...]:
        """The check whose passing ends the outage that `error` is of; none when it is not of this kind."""
        with self._lock:
            known = owner in self._outages
        return (OWNER + owner,) if known and isinstance(error, StoreUnavailable | SigningUnavailable) else ()

    def read(self) -> Mapping[str, Check]:
        """The newest result of each check, by name. Never blocks."""
        now = self._clock.monotonic()
        with self._lock:
            checks = {owner: outage.probe.check() for owner, outage in self._outages.items()}
            for owner, check in checks.items():
                outage = self._outages[owner]
                if not check.ok:
                    outage.over_since = None
                elif outage.over_since is None:
                    outage.over_since = now
                    log.info("owner.available", owner=owner)
                elif now - outage.over_since >= KEPT_SECONDS:
                    self._outages.pop(owner).probe.close(0)
        return {OWNER + owner: check for owner, check in checks.items()}

    def close(self) -> None:
        with self._lock:
            for outage in self._outages.values():
                outage.probe.close(0)

    def _probe(self, owner: str) -> Probe:
        return Probe(
            OWNER + owner,
            lambda: check_place(self._stores.of(owner), self._key, self._clock),
            interval=INTERVAL_SECONDS,
            limit=ATTEMPT_SECONDS,
            again=INTERVAL_SECONDS,
            clock=self._clock,
        )
