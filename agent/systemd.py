"""What systemd is told. Outside systemd every call does nothing.

sdnotify 0.3.2 drops a whole datagram that has a non-Latin-1 character, so texts are made ASCII and short.
"""

from __future__ import annotations

import os
import time

import sdnotify

from health.page.snapshot import Snapshot

MAX_STATUS = 200
FEED_SECONDS = 10.0
"""How often the watchdog is fed, or three times in the unit's WatchdogSec if that is more often."""
STATUS_SECONDS = 1.0


class Systemd:
    """The notify socket of a Type=notify unit."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        if self._notifier.socket is not None:
            # The library blocks when nobody reads the socket.
            self._notifier.socket.settimeout(1.0)
        self._feed_seconds = feed_seconds(os.environ.get("WATCHDOG_USEC"), os.environ.get("WATCHDOG_PID"))
        self._fed, self._told_at, self._told = 0.0, 0.0, ""

    def close(self) -> None:
        if self._notifier.socket is not None:
            self._notifier.socket.close()

    def ready(self) -> None:
        self._notifier.notify("READY=1")

    def reloading(self) -> None:
        """`ready` has to follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notifier.notify(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        self._notifier.notify("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """A stop that is under way needs so much longer than the unit allows."""
        self._notifier.notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self._notifier.notify("STATUS=" + text.encode("ascii", "replace").decode()[:MAX_STATUS])

    def looked(self, snapshot: Snapshot, loops_go: bool) -> None:
        """After each look of the agent at itself: the status when it has changed, and the watchdog while
        every loop goes round. That a remote service is away is no reason for a restart."""
        now = time.monotonic()
        line = status_line(snapshot)
        if line != self._told and now - self._told_at >= STATUS_SECONDS:
            self._told, self._told_at = line, now
            self.status(line)
        if loops_go and self._feed_seconds is not None and now - self._fed >= self._feed_seconds:
            self._fed = now
            self._notifier.notify("WATCHDOG=1")


def feed_seconds(usec: str | None, pid: str | None) -> float | None:
    """How often to feed the watchdog that systemd told us of by WATCHDOG_USEC and WATCHDOG_PID, if any."""
    if usec is None or not usec.isdigit() or (pid is not None and pid != str(os.getpid())):
        return None
    return min(FEED_SECONDS, int(usec) / 1e6 / 3)


def status_line(snapshot: Snapshot) -> str:
    """`active, epoch 1763632000, 2 clips in hand`, or `standby, epoch …, holder nas-1; what is wrong`."""
    parts = [snapshot.role, f"epoch {snapshot.epoch}"]
    count = len(snapshot.in_flight)
    if snapshot.role == "standby" and snapshot.lease is not None:
        parts.append(f"holder {snapshot.lease.holder or 'unknown'}")
    if count or snapshot.role != "standby":
        parts.append(f"{count} clip{'' if count == 1 else 's'} in hand")
    return ", ".join(parts) + (f"; {snapshot.reasons[0]}" if snapshot.reasons else "")
