"""The agent's HTTP pages, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests

from clipping.clock import ManualClock, SystemClock
from clipping.errors import ConfigurationError
from health.page.limits import CALLER, CallLimits, Rate
from health.page.metrics import show
from health.page.server import LIMITS, AddressMissing, HealthServer, Mount
from health.page.snapshot import MAX_AGE_SECONDS, Check, ClipInFlight, LeaseSeen, Snapshot
from tests.support.waiting import eventually

TOKEN = "0123456789abcdef-token"
ROOT = "/mnt/nas/Dealer 7"


class Page:
    """A served snapshot that the test may change."""

    def __init__(self, token: str | None = TOKEN) -> None:
        self.clock = ManualClock()
        self.snapshot = Snapshot(agent_id="nas-1", cluster="c", role="active", epoch=0, at=0.0, version="1")
        self.server = HealthServer("127.0.0.1", 0, lambda: self.snapshot, self.clock, token=token)
        self.server.start()

    def get(self, path: str = "/health", **headers: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.server.port}{path}", headers=headers, timeout=10)


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.server.close()


def with_checks(role: str = "active", **checks: bool) -> Snapshot:
    made = {name: Check(ok, "fine" if ok else "gone", 0.0) for name, ok in checks.items()}
    work = (ClipInFlight("clip-1", "cutting", 41.26),)
    lease = LeaseSeen("nas-1", 12.0)
    return Snapshot("nas-1", "c", role, 7, 0.0, "1", in_flight=work, checks=made, lease=lease)


def test_a_healthy_agent(page: Page) -> None:
    page.snapshot = with_checks(spool=True)
    page.clock.advance(2)
    answer = page.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "agent_id": "nas-1",
        "cluster": "c",
        "role": "active",
        "epoch": 7,
        "lease": {"holder": "nas-1", "remaining_seconds": 10.0},
        "in_flight": [{"request_id": "clip-1", "stage": "cutting", "progress_percent": 41.3}],
        "eligible": True,
        "reasons": [],
        "checks": {"spool": {"ok": True, "detail": "fine", "age_seconds": 2.0}},
        "snapshot_age_seconds": 2.0,
        "version": "1",
    }


def test_a_failed_check_is_reported_and_is_503(page: Page) -> None:
    page.snapshot = with_checks(spool=True, nas=False)
    answer = page.get()
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert answer.json()["reasons"] == ["nas: gone"]
    assert page.get("/health/ready").status_code == 503
    assert page.get("/health/live").status_code == 200  # restarting it would not bring the NAS back


def test_a_stuck_agent_is_not_alive(page: Page) -> None:
    page.clock.advance(MAX_AGE_SECONDS + 1)
    assert page.get("/health/live").status_code == 503
    answer = page.get()
    assert answer.status_code == 503
    assert "16.0 s old" in answer.json()["reasons"][0]
    assert answer.json()["eligible"] is False
    assert page.get("/health/active").status_code == 503


def test_only_the_leader_is_active_and_both_are_ready(page: Page) -> None:
    page.snapshot = with_checks(role="standby")
    assert (page.get("/health/ready").status_code, page.get("/health/active").status_code) == (200, 503)
    page.snapshot = with_checks(role="active")
    assert (page.get("/health/ready").status_code, page.get("/health/active").status_code) == (200, 200)
    page.clock.advance(12.5)  # there is no new snapshot, and the lease of the old one has expired
    assert (page.get("/health/ready").status_code, page.get("/health/active").status_code) == (200, 503)


def test_metrics_are_prometheus_text(page: Page) -> None:
    answer = page.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "process_resident_memory_bytes" in answer.text
    assert "clipping_takeovers_total" in answer.text


def with_paths() -> Snapshot:
    checks = {
        "spool": Check(True, "room enough", 0.0),
        f"nas {ROOT}": Check(False, f"{ROOT} is empty: is the NAS mounted there?", 0.0),
        "ffmpeg": Check(True, "/opt/ffmpeg/bin/ffmpeg", 0.0),
    }
    note = f"the intake is paused: nas {ROOT}: gone"
    return Snapshot("nas-1", "c", "active", 7, 0.0, "1", checks=checks, notes=(note,), paths={ROOT: "root 1"})


@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer", f"Bearer {TOKEN}x", "Bearer ä"]
)
@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/active"])
def test_paths_are_shown_to_the_bearer_of_the_token_only(
    page: Page, path: str, authorization: str | None
) -> None:
    page.snapshot = with_paths()
    answer = page.get(
        path, **({"Authorization": authorization.encode().decode("latin-1")} if authorization else {})
    )
    assert "/mnt" not in answer.text
    assert "Dealer" not in answer.text
    assert "/opt" not in answer.text
    body = answer.json()
    assert body["checks"]["nas root 1"]["detail"] == "root 1 is empty: is the NAS mounted there?"
    assert body["reasons"] == [
        "nas root 1: root 1 is empty: is the NAS mounted there?",
        "the intake is paused: nas root 1: gone",
    ]
    # What a standby and a monitor need is the same for all.
    shown = page.get(path, Authorization=f"Bearer {TOKEN}")
    assert shown.status_code == answer.status_code
    full = shown.json()
    assert full["checks"][f"nas {ROOT}"]["detail"].startswith(ROOT)
    assert full["checks"]["ffmpeg"]["detail"] == "/opt/ffmpeg/bin/ffmpeg"
    assert full["reasons"][1] == f"the intake is paused: nas {ROOT}: gone"
    for key in body.keys() - {"checks", "reasons"}:
        assert full[key] == body[key]


def test_paths_in_metrics_are_shown_to_the_bearer_of_the_token_only(page: Page) -> None:
    page.snapshot = with_paths()
    show(page.snapshot)
    text = page.get("/metrics").text
    assert 'clipping_check_ok{check="nas root 1"} 0.0' in text
    assert "/mnt" not in text
    full = page.get("/metrics", Authorization=f"bearer {TOKEN}").text
    assert f'clipping_check_ok{{check="nas {ROOT}"}} 0.0' in full
    for each in (text, full):
        assert each.count("# TYPE clipping_check_ok gauge") == 1
        assert 'clipping_check_ok{check="spool"} 1.0' in each


def test_without_a_token_paths_are_always_hidden() -> None:
    page = Page(token=None)
    try:
        page.snapshot = with_paths()
        for authorization in ("Bearer", "Bearer ", "Bearer None"):
            assert "/mnt" not in page.get(Authorization=authorization).text
    finally:
        page.server.close()


def test_the_heartbeat_shows_that_the_loop_runs(page: Page) -> None:
    page.clock.advance(60)
    eventually(lambda: page.server.heartbeat_age() < 1, "its loop to go round")
    page.server.close()
    page.clock.advance(60)
    assert page.server.heartbeat_age() >= 60


def test_a_missing_address_is_a_specific_error(page: Page) -> None:
    with pytest.raises(AddressMissing, match=r"health\.host.*192\.0\.2\.1"):
        HealthServer("192.0.2.1", 8005, lambda: page.snapshot, page.clock)


def test_a_taken_port_is_a_configuration_error(page: Page) -> None:
    with pytest.raises(ConfigurationError, match=r"health\.port"):
        HealthServer("127.0.0.1", page.server.port, lambda: page.snapshot, page.clock)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /health HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", id="header"),
        pytest.param(b"POST /health HTTP/1.1\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000, id="body"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="tls"),
    ],
)
def test_hostile_requests_are_refused(page: Page, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", page.server.port))) as connection:
        connection.settimeout(10)
        connection.sendall(sent)
        assert connection.recv(100).split()[1] in (b"400", b"405", b"413", b"431")
    assert page.get().status_code == 200


def test_unfinished_requests_do_not_block_other_clients(page: Page) -> None:
    slow = [socket.create_connection(("127.0.0.1", page.server.port)) for _ in range(3 * LIMITS.connections)]
    try:
        for connection in slow:
            try:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")  # and never the end
            except OSError:
                pass  # it had to give way already
        begun = time.monotonic()
        assert page.get().status_code == 200
        assert time.monotonic() - begun < 5
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/health/", 404, "NOT_FOUND"),
        ("POST", "/health", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_errors_are_json(page: Page, method: str, path: str, status: int, code: str) -> None:
    answer = requests.request(method, f"http://127.0.0.1:{page.server.port}{path}", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert answer.json()["error"]["code"] == code
    if status == 404:
        assert answer.json()["error"]["message"].startswith(f"there is no {path}: see /health")
    else:
        assert "GET" in answer.headers["Allow"]


def test_a_caller_beyond_its_limit_is_refused_and_others_are_not(page: Page) -> None:
    codes = Counter(page.get().status_code for _ in range(int(CALLER.burst) + 10))  # the clock does not move
    assert codes == {200: int(CALLER.burst), 429: 10}
    assert page.get().json()["error"]["code"] == "RATE_LIMITED"
    with closing(
        socket.create_connection(("127.0.0.1", page.server.port), source_address=("127.0.0.2", 0))
    ) as other:
        other.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert other.recv(100).split()[1] == b"200"


def test_what_is_mounted_may_have_limits_of_its_own() -> None:
    def hello(_: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"hello"]

    clock = ManualClock()
    mounts = [
        Mount("/own", hello, threads=1, limits=CallLimits(Rate(1.0, 60.0), Rate(1.0, 60.0))),
        Mount("/known", hello, threads=1, admits=lambda environ: environ["QUERY_STRING"] == "known"),
        Mount("/others", hello, threads=1),
    ]
    snapshot = Snapshot(agent_id="nas-1", cluster="c", role="active", epoch=0, at=0.0, version="1")
    server = HealthServer("127.0.0.1", 0, lambda: snapshot, clock, mounts=mounts)
    server.start()

    def codes(path: str, count: int) -> Counter[int]:
        url = f"http://127.0.0.1:{server.port}{path}"
        return Counter(session.get(url, timeout=10).status_code for _ in range(count))

    try:
        with requests.Session() as session:
            assert codes("/own", 70) == {200: 60, 429: 10}
            assert codes("/known?known", 60) == {200: 60}
            assert codes("/others", int(CALLER.burst) + 10) == {200: int(CALLER.burst), 429: 10}
            assert codes("/health", 1) == {429: 1}
            assert codes("/known?known", 1) == {200: 1}
    finally:
        server.close()


@pytest.mark.slow
def test_a_flood_neither_blocks_other_callers_nor_stalls_the_agents_threads() -> None:
    clock = SystemClock()
    server = HealthServer("127.0.0.1", 0, lambda: _now(clock), clock)
    server.start()
    stop = threading.Event()
    answered: Counter[bytes] = Counter()
    floods = [
        threading.Thread(target=_flood, args=(server.port, stop, answered), name=f"flood-{n}")
        for n in range(8)
    ]
    worst, last = 0.0, time.monotonic()
    try:
        for flood in floods:
            flood.start()
        polled = 0
        until = time.monotonic() + 6
        while time.monotonic() < until:
            time.sleep(0.05)  # as the coordinator waits for its next tick
            now = time.monotonic()
            worst, last = max(worst, now - last), now
            if int(until - now) < 6 - polled:
                polled += 1
                assert _poll(server.port) == b"200"
                last = time.monotonic()
        eventually(lambda: answered[b"429"] > 100, "the flood to be refused")
        assert polled >= 5
    finally:
        stop.set()
        for flood in floods:
            flood.join(10)
        server.close()
    assert worst < 5.0


def _now(clock: SystemClock) -> Snapshot:
    return Snapshot("nas-1", "c", "active", 0, clock.monotonic(), "1")


def _poll(port: int) -> bytes:
    """A standby's poll, from another address than the flood's."""
    with closing(
        socket.create_connection(("127.0.0.1", port), timeout=10, source_address=("127.0.0.2", 0))
    ) as s:
        s.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return s.recv(100).split()[1]


def _flood(port: int, stop: threading.Event, answered: Counter[bytes]) -> None:
    while not stop.is_set():
        try:
            with closing(socket.create_connection(("127.0.0.1", port), timeout=3)) as connection:
                connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                answered[connection.recv(100).split(b" ")[1]] += 1
        except (OSError, IndexError):
            continue
