"""An operator's orders to a member: set from any thread, followed by its next step."""

from __future__ import annotations

from health.election.observation import Stop


class Orders:
    """Each attribute is read and written whole, so that no lock is needed."""

    def __init__(self) -> None:
        self.stop: Stop = "no"
        """Drain, release the lease, stop. Never taken back."""
        self.resign = False
        """Resign as the leader and hold back for a while. Reset by the member once done."""
        self.intake = True
        """Accept new clips."""

    def request_stop(self, *, fast: bool) -> None:
        """`fast` may follow a graceful stop, not the other way round."""
        self.stop = "fast" if fast or self.stop == "fast" else "graceful"
