"""Polls over real HTTP, and how they are counted."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clipping.clock import ManualClock
from health.cluster.poller import Leader, LeaderPoller, Poll, poll
from health.election.observation import LeaseView
from tests.ha.observed import TIMINGS, seen
from tests.health.scripted import ScriptedCalls

CLUSTER = "main"
PAGE = {"cluster": CLUSTER, "agent_id": "nas-2", "role": "active", "snapshot_age_seconds": 1.2}
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Page(http.server.ThreadingHTTPServer):
    """A loopback server whose every answer is `answer`'s."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answer: Answer = lambda _: None
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever, name="page", daemon=True)
        self.thread.start()

    @property
    def leader(self) -> Leader:
        return Leader("nas-2", "instance-2", f"http://127.0.0.1:{self.server_address[1]}")

    def handle_error(self, request: object, client_address: object) -> None:
        """A poller that hangs up is what these tests are about."""


@pytest.fixture
def page() -> Iterator[Page]:
    server = Page()
    yield server
    server.shutdown()
    server.server_close()


def says(status: int, body: bytes, **headers: str) -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        assert request.path == "/health"
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def page_with(**over: object) -> Answer:
    return says(200, json.dumps({**PAGE, **over}).encode())


def ask(page: Page, timeout: float = 10.0) -> Poll:
    return poll(page.leader, CLUSTER, timeout)


def test_a_leader_is_alive(page: Page) -> None:
    page.answer = page_with()
    assert ask(page).ok


@pytest.mark.parametrize("token", [None, "0123456789abcdef"])
def test_the_token_is_sent_if_there_is_one(page: Page, token: str | None) -> None:
    seen: list[str | None] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("Authorization"))
        page_with()(request)

    page.answer = answer
    assert poll(page.leader, CLUSTER, 10.0, token=token).ok
    assert seen == [f"Bearer {token}" if token else None]


def test_too_many_requests_counts_as_alive(page: Page) -> None:
    page.answer = says(429, b"slow down")
    assert ask(page).ok


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says(503, json.dumps(PAGE).encode()), "503"),
        (says(404, b""), "404"),
        (says(302, b"", Location="/health"), "302"),
        (says(200, b"<html>"), "JSON"),
        (says(200, b""), "JSON"),
        (says(200, b"[]"), "object"),
        (says(200, b"[" * 100_000), "JSON"),
        (says(200, b'{"a": "' + b"x" * 300_000 + b'"}'), "more than 262144 bytes"),
        (page_with(cluster="other"), "cluster"),
        (page_with(agent_id="nas-3"), "agent_id"),
        (page_with(role="standby"), "role"),
        (page_with(role="draining"), "role"),
        (page_with(snapshot_age_seconds=15.1), "old"),
        (page_with(snapshot_age_seconds=None), "old"),
        (page_with(snapshot_age_seconds=True), "old"),
        (page_with(snapshot_age_seconds=float("nan")), "old"),
    ],
)
def test_other_responses_are_failed_polls(page: Page, answer: Answer, why: str) -> None:
    page.answer = answer
    found = ask(page)
    assert not found.ok
    assert why in found.detail


def test_a_refused_connection_is_a_failed_poll() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert not poll(Leader("nas-2", "i", url), CLUSTER, 5.0).ok
    assert not poll(Leader("nas-2", "i", "http://no such host"), CLUSTER, 5.0).ok


def test_no_answer_in_time_is_a_failed_poll(page: Page) -> None:
    over = threading.Event()
    page.answer = lambda _: over.wait(30) and None  # type: ignore[func-returns-value]
    begin = time.monotonic()
    found = ask(page, timeout=0.3)
    over.set()
    assert not found.ok
    assert "0.3 s" in found.detail
    assert time.monotonic() - begin < 10


class Counting:
    """A poller whose polls return `ok`, run step by step."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ok = True
        self.polls: list[float] = []
        self.poller = LeaderPoller(
            self._poll, cluster=CLUSTER, timings=TIMINGS, calls=ScriptedCalls(), clock=self.clock
        )

    def _poll(self, leader: Leader, cluster: str, timeout: float) -> Poll:
        self.polls.append(self.clock.monotonic())
        return Poll(self.ok, "")

    def run(self, seconds: float, view: LeaseView) -> None:
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.poller.follow(view)
            self.poller.collect(self.clock.monotonic())
            self.poller.start(self.clock.monotonic())
            self.poller.collect(self.clock.monotonic())
            self.clock.advance(1.0)


def test_polls_come_every_interval_and_quickly_after_a_failure() -> None:
    counting = Counting()
    counting.run(61, seen())
    assert counting.polls == [0.0, 30.0, 60.0]
    counting.ok = False
    counting.run(40, seen())
    assert counting.polls[3:6] == [90.0, 95.0, 100.0]
    assert counting.poller.failures == 3


def test_one_success_clears_failures_but_a_leader_that_is_down_needs_two() -> None:
    counting = Counting()
    counting.ok = False
    counting.run(6, seen())
    assert counting.poller.failures == 2
    counting.ok = True
    counting.run(5, seen())
    assert counting.poller.failures == 0
    counting.ok = False
    counting.run(45, seen())
    assert counting.poller.failures >= 3
    counting.ok = True
    counting.run(5, seen())
    assert counting.poller.failures >= 3, "a single response of a leader that is down does not count"
    counting.run(5, seen())
    assert counting.poller.failures == 0


def test_the_counts_of_a_new_leader_start_at_zero() -> None:
    counting = Counting()
    counting.ok = False
    counting.run(12, seen())
    assert counting.poller.failures == 3
    counting.ok = True
    counting.run(1, seen(instance="restarted"))
    assert counting.poller.failures == 0


def test_the_leader_is_polled_at_once_when_its_lease_is_overdue() -> None:
    counting = Counting()
    counting.run(16, seen())
    counting.run(1, seen(15.1))
    assert counting.polls == [0.0, 16.0]


@pytest.mark.parametrize("view", [LeaseView("missing"), seen(state="released"), LeaseView()])
def test_no_polls_without_a_leader(view: LeaseView) -> None:
    counting = Counting()
    counting.run(60, view)
    assert counting.polls == []


def test_the_lease_alone_decides_for_a_leader_without_an_address() -> None:
    counting = Counting()
    counting.run(5, seen(health_url=None))
    assert counting.polls == []
    assert counting.poller.failures == TIMINGS.poll_failures
