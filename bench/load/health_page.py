"""Runs the agent's health page alone: `python -m bench.load.health_page` prints its port."""

from __future__ import annotations

import signal
import sys
import threading

from clipping.clock import SystemClock
from health.page.server import HealthServer
from health.page.snapshot import Check, Snapshot


def main() -> int:
    """Serve until SIGTERM."""
    clock, stop = SystemClock(), threading.Event()

    def latest() -> Snapshot:
        now = clock.monotonic()
        checks = {"spool": Check(True, "enough space", now)}
        return Snapshot("nas-1", "bench", "active", 1, now, "1", checks=checks)

    server = HealthServer("127.0.0.1", 0, latest, clock)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server.start()
    print(server.port, flush=True)
    stop.wait()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
