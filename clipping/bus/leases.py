"""The leases of the messages that handlers are processing.

The client library extends leases too, but only while its stream is open. When a stream ends, the message of a
handler that still runs would be delivered to another subscriber within a minute, and its acknowledgement
would stay in a queue that is no longer read. Also, the library's `ack_with_response` always reports success,
unless the subscription has exactly-once delivery. So the library leases waiting messages, and this module
leases the messages in flight.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from clipping.bus.connection import Connection, subscriber_client
from clipping.bus.failures import bounded
from clipping.clock import Clock
from clipping.errors import BusUnavailable
from clipping.log import get_logger

log = get_logger(__name__)

_SETTLE_SECONDS = 5.0
"""Time limit for releasing one message. If the release fails, the lease expires."""


@dataclass
class _Lease:
    until: float
    """When to stop extending, on the monotonic clock."""
    extend_at: float


class Leases:
    """Extends the leases of messages in flight, acknowledges and releases them. Thread-safe.

    A lease is extended by `lease_seconds`, for at most `max_seconds` in total, so that a handler that hangs
    does not keep its message indefinitely.
    """

    def __init__(
        self, subscription: str, *, lease_seconds: int, max_seconds: float, thread_name: str, clock: Clock
    ) -> None:
        self._subscription = subscription
        self._lease_seconds = lease_seconds
        self._max_seconds = max_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._taken: dict[str, _Lease] = {}
        self._connection = Connection(subscriber_client)
        self._failure: str | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._keep, name=thread_name, daemon=True)

    @property
    def failure(self) -> str | None:
        """Why the last extension failed; None when it did not."""
        return self._failure

    def start(self) -> None:
        """Start extending leases."""
        self._thread.start()

    def take(self, ack_id: str) -> None:
        """Extend the message's lease from now on, until it is acknowledged or released."""
        now = self._clock.monotonic()
        # The library leaves at least a tenth of the lease. The delay saves short handlers the call.
        lease = _Lease(until=now + self._max_seconds, extend_at=now + self._lease_seconds / 30)
        with self._changed:
            self._taken[ack_id] = lease
            self._changed.notify_all()

    def acknowledge(self, ack_id: str, timeout: float) -> None:
        """Acknowledge the message, and return once the broker has confirmed.

        Raises `BusUnavailable`; the message's lease is then still extended.
        """
        with self._connection.call("acknowledge a message") as client:
            client.acknowledge(
                subscription=self._subscription, ack_ids=[ack_id], retry=bounded(timeout), timeout=timeout
            )
        self.forget(ack_id)

    def release(self, ack_id: str) -> None:
        """Release the message for redelivery. Never raises: if the call fails, the lease expires."""
        self.forget(ack_id)
        try:
            self._modify([ack_id], 0, timeout=_SETTLE_SECONDS)
        except BusUnavailable as error:
            log.warning("bus.release_failed", subscription=self._subscription, error=error.message)

    def forget(self, ack_id: str) -> None:
        """Stop extending the message's lease."""
        with self._changed:
            self._taken.pop(ack_id, None)

    def close(self, timeout: float) -> None:
        """Stop extending leases, and close the connection."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._connection.close(timeout)

    def _modify(self, ack_ids: list[str], seconds: int, *, timeout: float) -> None:
        with self._connection.call("change a lease") as client:
            client.modify_ack_deadline(
                subscription=self._subscription,
                ack_ids=ack_ids,
                ack_deadline_seconds=seconds,
                retry=bounded(timeout),
                timeout=timeout,
            )

    def _keep(self) -> None:
        while (due := self._wait_for_due()) is not None:
            try:
                self._modify(due, self._lease_seconds, timeout=self._lease_seconds / 3)
            except BusUnavailable as error:
                self._note(error.message)
                again = self._lease_seconds / 10
            else:
                self._note(None)
                again = self._lease_seconds / 3
            with self._changed:
                for ack_id in due:
                    if lease := self._taken.get(ack_id):
                        lease.extend_at = self._clock.monotonic() + again

    def _wait_for_due(self) -> list[str] | None:
        """The leases to extend now, after waiting until there are some; None when closed."""
        with self._changed:
            while not self._closed:
                now = self._clock.monotonic()
                self._drop_overdue(now)
                due = [ack_id for ack_id, lease in self._taken.items() if lease.extend_at <= now]
                if due:
                    return due
                next_due = min((lease.extend_at for lease in self._taken.values()), default=now + 60)
                self._changed.wait(min(max(next_due - now, 0.01), 60))
            return None

    def _drop_overdue(self, now: float) -> None:
        for ack_id in [ack_id for ack_id, lease in self._taken.items() if lease.until <= now]:
            del self._taken[ack_id]
            log.error("bus.lease_given_up", subscription=self._subscription, after_seconds=self._max_seconds)

    def _note(self, failure: str | None) -> None:
        if (failure is None) != (self._failure is None):
            event = "bus.lease_extension_fails" if failure else "bus.lease_extension_works"
            log.warning(event, subscription=self._subscription, error=failure)
        self._failure = failure
