"""The notifications that systemd receives."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.systemd import Systemd, feed_seconds, status_line
from health.page.snapshot import Check, ClipInFlight, LeaseSeen, Snapshot


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0clipping-test-notify")
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@clipping-test-notify")
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listener


@pytest.fixture
def systemd(journal: socket.socket) -> Iterator[Systemd]:
    with closing(Systemd()) as systemd:
        yield systemd


def snapshot(role: str = "active", **over: object) -> Snapshot:
    fields = {"agent_id": "nas-1", "cluster": "c", "role": role, "epoch": 7, "at": 0.0, "version": "1"}
    return Snapshot(**{**fields, **over})  # type: ignore[arg-type]


def received(listener: socket.socket) -> list[bytes]:
    listener.setblocking(False)
    found = []
    try:
        while True:
            found.append(listener.recv(4096))
    except BlockingIOError:
        return found


def test_the_watchdog_is_notified_at_its_interval(journal: socket.socket, systemd: Systemd) -> None:
    systemd.update(snapshot(), True)
    assert received(journal) == [b"STATUS=active, epoch 7, 0 clips in flight", b"WATCHDOG=1"]
    systemd.update(snapshot(), True)  # the interval has not passed
    assert received(journal) == []


def test_a_loop_without_progress_stops_the_watchdog_notifications(
    journal: socket.socket, systemd: Systemd
) -> None:
    systemd.update(snapshot(), False)
    assert b"WATCHDOG=1" not in received(journal)


def test_a_failed_check_is_no_reason_for_a_restart(journal: socket.socket, systemd: Systemd) -> None:
    bad = snapshot(checks={"pubsub": Check(False, "away", 0.0)})
    systemd.update(bad, True)
    assert b"WATCHDOG=1" in received(journal)


def test_reload_and_stop(journal: socket.socket, systemd: Systemd) -> None:
    systemd.reloading()
    systemd.ready()
    systemd.stopping()
    systemd.extend(60)
    reloading, *rest = received(journal)
    first, second = reloading.split(b"\n")
    assert first == b"RELOADING=1"
    assert int(second.removeprefix(b"MONOTONIC_USEC=")) > 0
    assert rest == [b"READY=1", b"STOPPING=1", b"EXTEND_TIMEOUT_USEC=60000000"]


def test_a_status_is_ascii_and_short(journal: socket.socket, systemd: Systemd) -> None:
    systemd.status("ärger " * 100)
    (line,) = received(journal)
    assert line.startswith(b"STATUS=?rger ")
    assert len(line) == 207


def test_a_manager_that_does_not_read_does_not_block_the_agent(
    journal: socket.socket, systemd: Systemd
) -> None:
    queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    begun = time.monotonic()
    for number in range(queue + 2):
        systemd.status(f"line {number}")
    assert time.monotonic() - begun < 10
    assert received(journal)[0] == b"STATUS=line 0"


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        (None, None, None),
        ("30000000", None, 10.0),
        ("6000000", None, 2.0),
        ("600000000", None, 10.0),
        ("30000000", "1", None),
        ("soon", None, None),
    ],
)
def test_the_watchdog_interval(usec: str | None, pid: str | None, seconds: float | None) -> None:
    assert feed_seconds(usec, pid) == seconds


def test_the_status_line_says_who_leads_and_what_is_wrong() -> None:
    work = (ClipInFlight("clip-1", "cutting", 4.0),)
    assert status_line(snapshot(in_flight=work)) == "active, epoch 7, 1 clip in flight"
    standby = snapshot("standby", lease=LeaseSeen("nas-2", 8.0), checks={"nas /v": Check(False, "gone", 0.0)})
    assert status_line(standby) == "standby, epoch 7, leader nas-2; nas /v: gone"
