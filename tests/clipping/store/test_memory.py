from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clipping.clock import ManualClock
from clipping.store.memory import MemoryStore


def test_server_time_comes_from_the_clock() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = ManualClock(start)
    store = MemoryStore(clock)
    assert store.replace("ha/lease.json", b"{}", expected=None).created_at == start
    clock.advance(90)
    assert store.server_time() == start + timedelta(seconds=90)
    signed = store.sign("clips/h/r.mp4", filename="h.mp4", seconds=10)
    assert signed.expires_at == start + timedelta(seconds=100)
    assert signed.url.startswith("memory:///clips/h/r.mp4?expires=")
