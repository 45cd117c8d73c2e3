"""The store returns errors, or loses, delays or duplicates calls: a single fault does not demote the
leader."""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]

STORM_SECONDS = 15.0
LATE_SECONDS = 1.2
"""The preset's timeout is 2 s."""
FAULTS = ("503", "lost", "429", "late", "doubled")
FAULT_EVERY = 3
"""Every third call for the lease has a fault, so that never a write, its retry and the verifying read all
fail."""
FORWARD_SECONDS = 30.0


class Storm(http.server.ThreadingHTTPServer):
    """A proxy of a store that injects faults while `active` is set."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.target = url.removeprefix("http://")
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.active = threading.Event()
        self.met: list[str] = []
        self._lock = threading.Lock()
        self._faults = cycle(FAULTS)
        self._calls = 0
        threading.Thread(target=self.serve_forever, name="storm", daemon=True).start()

    def fault(self, path: str) -> str:
        if not self.active.is_set() or "lease.json" not in path:
            return "done"
        with self._lock:
            self._calls += 1
            if self._calls % FAULT_EVERY:
                return "done"
            self.met.append(next(self._faults))
            return self.met[-1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are expected to give up."""


class _Forwarder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Storm

    def log_message(self, *_: object) -> None:
        pass

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # The body of an upload contains the object's name.
        fault = self.server.fault(self.path + body[:2000].decode("latin-1"))
        if fault in ("429", "503"):
            self._answer(int(fault), [], b"{}")
            return
        answer = self._ask(body)
        if fault == "doubled":
            answer = self._ask(body)
        if fault == "lost":
            self.close_connection = True
            return
        if fault == "late":
            time.sleep(LATE_SECONDS)
        self._answer(*answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _forward  # noqa: N815 (the library's names)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.target, timeout=FORWARD_SECONDS)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class FaultyCluster:
    """A cluster on a bucket, with one `Storm` per agent."""

    def __init__(self, cluster: Cluster, storms: list[Storm]) -> None:
        self.cluster, self.storms = cluster, storms


@pytest.fixture
def faulty(
    clusters: Callable[..., Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyCluster]:
    with ExitStack() as stack:
        server = stack.enter_context(FakeGcs())
        account = ServiceAccount(tmp_path)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.key_file))
        storms = [Storm(server.url) for _ in range(2)]
        for storm in storms:
            stack.callback(storm.server_close)
            stack.callback(storm.shutdown)
        cluster = clusters(
            over={"storage": {"backend": "gcs", "bucket": server.bucket(), "path": None}},
            each_environ={
                number: {"STORAGE_EMULATOR_HOST": storm.url} for number, storm in enumerate(storms)
            },
        )
        yield FaultyCluster(cluster, storms)
        cluster.close()


def test_store_errors_do_not_demote_the_leader_and_a_killed_leader_is_replaced(faulty: FaultyCluster) -> None:
    cluster = faulty.cluster
    first, second = cluster.nodes
    before = cluster.observer.epochs()[-1]
    for storm in faulty.storms:
        storm.active.set()
    request_id = cluster.ask()
    begun = time.monotonic()
    while time.monotonic() < begun + STORM_SECONDS or set(faulty.storms[0].met) != set(FAULTS):
        assert time.monotonic() < begun + 5 * STORM_SECONDS, "the leader has not met every fault"
        assert not second.leads()
        time.sleep(0.5)
    assert first.leads()
    assert cluster.observer.epochs()[-1] == before, "the leader was not demoted"
    assert first.events("cluster.state")[-1]["new"] == "active"
    assert cluster.wait(request_id)["agent_id"] == "agent-1"

    first.kill()
    second.becomes("active", logs=cluster.logs)
    assert cluster.wait(cluster.ask())["agent_id"] == "agent-2"
    for storm in faulty.storms:
        storm.active.clear()
    eventually(lambda: second.leads(), "it to keep leading")
    cluster.settle()
