"""Notifications to systemd. Outside systemd every call does nothing.

sdnotify 0.3.2 drops a datagram that has a character outside Latin-1, so texts are short and ASCII.
"""

from __future__ import annotations

import os
import time

import sdnotify

from health.page.snapshot import Snapshot

MAX_STATUS = 200
FEED_SECONDS = 10.0
"""How often the watchdog is notified, at most; a third of the unit's WatchdogSec if that is shorter."""
STATUS_SECONDS = 1.0


class Systemd:
    """The notify socket of a Type=notify unit."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        if self._notifier.socket is not None:
            # The library would block while the socket is full.
            self._notifier.socket.settimeout(1.0)
        self._feed_seconds = feed_seconds(os.environ.get("WATCHDOG_USEC"), os.environ.get("WATCHDOG_PID"))
        self._fed, self._reported_at, self._reported = 0.0, 0.0, ""

    def close(self) -> None:
        if self._notifier.socket is not None:
            self._notifier.socket.close()

    def ready(self) -> None:
        self._notifier.notify("READY=1")

    def reloading(self) -> None:
        """Must be followed by `ready`."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notifier.notify(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        self._notifier.notify("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Ask for this much more time for a stop that is under way."""
        self._notifier.notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self._notifier.notify("STATUS=" + text.encode("ascii", "replace").decode()[:MAX_STATUS])

    def update(self, snapshot: Snapshot, alive: bool) -> None:
        """Called with each snapshot: reports a changed status, and notifies the watchdog while all loops make
        progress (`alive`). An unavailable remote service is no reason for a restart."""
        now = time.monotonic()
        line = status_line(snapshot)
        if line != self._reported and now - self._reported_at >= STATUS_SECONDS:
            self._reported, self._reported_at = line, now
            self.status(line)
        if alive and self._feed_seconds is not None and now - self._fed >= self._feed_seconds:
            self._fed = now
            self._notifier.notify("WATCHDOG=1")


def feed_seconds(usec: str | None, pid: str | None) -> float | None:
    """How often to notify the watchdog that WATCHDOG_USEC and WATCHDOG_PID announce; None without one."""
    if usec is None or not usec.isdigit() or (pid is not None and pid != str(os.getpid())):
        return None
    return min(FEED_SECONDS, int(usec) / 1e6 / 3)


def status_line(snapshot: Snapshot) -> str:
    """`active, epoch 1763632000, 2 clips in flight`, or `standby, epoch …, leader nas-1; first reason`."""
    parts = [snapshot.role, f"epoch {snapshot.epoch}"]
    count = len(snapshot.in_flight)
    if snapshot.role == "standby" and snapshot.lease is not None:
        parts.append(f"leader {snapshot.lease.holder or 'unknown'}")
    if count or snapshot.role != "standby":
        parts.append(f"{count} clip{'' if count == 1 else 's'} in flight")
    return ", ".join(parts) + (f"; {snapshot.reasons[0]}" if snapshot.reasons else "")
