"""The agent's HTTP page, over a real socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import requests

from clipping.clock import ManualClock
from clipping.errors import ConfigurationError
from health.server import HealthServer
from health.snapshot import MAX_AGE_SECONDS, Check, ClipInHand, Snapshot


class Page:
    """A served snapshot that the test may change."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.snapshot = Snapshot(agent_id="nas-1", cluster="c", role="active", epoch=0, at=0.0, version="1")
        self.server = HealthServer("127.0.0.1", 0, lambda: self.snapshot, self.clock)
        self.server.start()

    def get(self, path: str = "/health") -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.server.port}{path}", timeout=5)


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.server.close()


def with_checks(**checks: bool) -> Snapshot:
    made = {name: Check(ok, "fine" if ok else "gone", 0.0) for name, ok in checks.items()}
    work = (ClipInHand("clip-1", "cutting", 41.26),)
    return Snapshot("nas-1", "c", "active", 0, 0.0, "1", in_flight=work, checks=made)


def test_well(page: Page) -> None:
    page.snapshot = with_checks(spool=True)
    page.clock.advance(2)
    answer = page.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "agent_id": "nas-1",
        "cluster": "c",
        "role": "active",
        "epoch": 0,
        "in_flight": [{"request_id": "clip-1", "stage": "cutting", "progress_percent": 41.3}],
        "eligible": True,
        "reasons": [],
        "checks": {"spool": {"ok": True, "detail": "fine", "age_seconds": 2.0}},
        "snapshot_age_seconds": 2.0,
        "version": "1",
    }


def test_a_failed_check_is_told_and_is_503(page: Page) -> None:
    page.snapshot = with_checks(spool=True, nas=False)
    answer = page.get()
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert answer.json()["reasons"] == ["nas: gone"]
    assert page.get("/health/live").status_code == 200  # restarting it would not bring the NAS back


def test_a_stuck_agent_is_not_alive(page: Page) -> None:
    page.clock.advance(MAX_AGE_SECONDS + 1)
    assert page.get("/health/live").status_code == 503
    answer = page.get()
    assert answer.status_code == 503
    assert "16.0 s old" in answer.json()["reasons"][0]


def test_metrics_are_prometheus_text(page: Page) -> None:
    answer = page.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "process_resident_memory_bytes" in answer.text


def test_a_taken_port_is_a_configuration_error(page: Page) -> None:
    with pytest.raises(ConfigurationError, match=r"health\.port"):
        HealthServer("127.0.0.1", page.server.port, lambda: page.snapshot, page.clock)


def test_silent_clients_do_not_lock_others_out(page: Page) -> None:
    silent = [socket.create_connection(("127.0.0.1", page.server.port)) for _ in range(20)]
    try:
        for connection in silent:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")  # and never the end
        assert page.get().status_code == 200
    finally:
        for connection in silent:
            connection.close()
