"""A message on its way through a handler."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from clipping.bus.leases import Leases


@dataclass(frozen=True)
class Delivery:
    """One message that a handler processes. The handler must acknowledge, release or keep it."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    attempt: int
    """1 at the first delivery. Counted by subscriptions with a dead-letter policy only, else always 1."""
    published_at: datetime
    _ack_id: str = field(repr=False)
    _leases: Leases = field(repr=False)
    _settled: threading.Event = field(default_factory=threading.Event, repr=False)
    _kept: threading.Event = field(default_factory=threading.Event, repr=False)

    def acknowledge(self, timeout: float = 10.0) -> None:
        """Acknowledge the message, and return once the broker has confirmed.

        Raises `BusUnavailable`; the broker will then deliver the message again.
        """
        self._leases.acknowledge(self._ack_id, timeout)
        self._settled.set()

    def release(self) -> None:
        """Return it to the broker, which delivers it again after the subscription's backoff."""
        if not self._settled.is_set():
            self._settled.set()
            self._leases.release(self._ack_id)

    def keep(self) -> None:
        """Let the handler return before the message is settled. It stays leased and occupies no slot."""
        self._kept.set()

    def abandon(self) -> None:
        """Stop extending its lease. Unless it is settled first, it is redelivered when the lease expires."""
        self._leases.forget(self._ack_id)

    @property
    def kept(self) -> bool:
        """Whether it is settled after the handler has returned."""
        return self._kept.is_set()

    @property
    def settled(self) -> bool:
        """Whether it was acknowledged or released."""
        return self._settled.is_set()
