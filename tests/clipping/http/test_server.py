"""The server over real sockets, with small limits."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from clipping.errors import RequestError, Unauthorized
from clipping.http.limits import Limits
from clipping.http.parser import RequestParser
from clipping.http.server import Server, listen
from tests.support.waiting import eventually

LARGE = 8 << 20
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


class App:
    """Answers with the path; `/wait` when `go` is set, `/large` with 8 MB."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[str] = []
        self.bodies: list[int] = []

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        self.bodies.append(len(environ["wsgi.input"].read()))
        if path == "/wait":
            self.go.wait(60)
        body = b"x" * LARGE if path == "/large" else path.encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


class Running:
    """A server with its loop in a separate thread."""

    def __init__(self, limits: Limits, **options: Any) -> None:
        self.app = App()
        self.closed: Counter[str] = Counter()
        self.server = Server(
            self.app,
            listen("127.0.0.1", 0),
            threads=2,
            limits=limits,
            health_paths=("/health",),
            on_closed=self.closed.update,
            recv_bytes=65_536,
            outbuf_overflow=64 << 20,  # waitress leaves its temporary files to the garbage collector
            **options,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="server")
        self._thread.start()

    def connect(self, sent: bytes = b"", *, source: str = "127.0.0.1") -> socket.socket:
        address = ("127.0.0.1", self.server.effective_port)
        connection = socket.create_connection(address, timeout=30, source_address=(source, 0))
        connection.sendall(sent)
        return connection

    def get(self, path: str, *, source: str = "127.0.0.1") -> bytes:
        with self.connect(GET % path.encode(), source=source) as connection:
            return read(connection, path.encode())

    @property
    def open(self) -> int:
        return len(self.server.active_channels)

    def close(self) -> None:
        self.app.go.set()
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.server.turn(0.1)
        self.server.shut_down()


@contextmanager
def running(limits: Limits = Limits(), **options: Any) -> Iterator[Running]:  # noqa: B008
    made = Running(limits, **options)
    try:
        yield made
    finally:
        made.close()


def read(connection: socket.socket, end: bytes) -> bytes:
    """An answer, up to `end` or until the server closes."""
    said = b""
    while not said.endswith(end) and (part := connection.recv(65_536)):
        said += part
    return said


def ended(connection: socket.socket) -> bool:
    """Whether the server has closed; waits for it."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_stopped_server_can_be_woken() -> None:
    """A stop ends the loop, perhaps before the call that was to wake it for that."""
    with running() as made:
        pass
    made.server.wake()


@contextmanager
def dripping(*connections: socket.socket) -> Iterator[None]:
    """Each of them sends a byte every 50 ms."""
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            for each in connections:
                try:
                    each.send(b"x")
                except OSError:
                    pass

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("opening", "limits", "reason"),
    [
        (b"GET / HTTP/1.1\r\nX: ", Limits(head_seconds=0.5), "head"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", Limits(request_seconds=0.5), "body"),
        (b"\r\n", Limits(head_seconds=0.5), "head"),
    ],
)
def test_a_client_that_sends_its_request_too_slowly_is_disconnected(
    opening: bytes, limits: Limits, reason: str
) -> None:
    with running(limits) as server, server.connect(opening) as slow, dripping(slow):
        assert ended(slow)
        assert server.closed == {reason: 1}
        assert server.get("/after").endswith(b"/after")


@pytest.mark.slow
def test_deadlines_restart_with_each_request_of_a_connection() -> None:
    with running(Limits(head_seconds=2.0, request_seconds=2.0)) as server, server.connect() as client:
        begun = time.monotonic()
        while time.monotonic() - begun < 5:
            client.sendall(GET % b"/again")
            assert read(client, b"/again").endswith(b"/again")
        assert not server.closed


def test_an_idle_connection_is_kept_until_its_timeout() -> None:
    short = Limits(head_seconds=1.0, request_seconds=1.0)
    with running(short) as server, server.connect(GET % b"/a") as client:
        assert read(client, b"/a").endswith(b"/a")
        time.sleep(2.5)  # longer than those of the other phases
        client.sendall(GET % b"/b")
        assert read(client, b"/b").endswith(b"/b")
    with running(Limits(idle_seconds=0.5)) as server, server.connect() as client:
        assert ended(client)
        assert server.closed == {"idle": 1}


def test_a_client_that_does_not_read_its_answer_is_disconnected() -> None:
    with running(Limits(unread_seconds=0.5)) as server, server.connect(GET % b"/large"):
        eventually(lambda: server.closed == {"unread": 1}, "the connection to be closed")


def test_a_client_that_reads_slowly_gets_the_whole_answer() -> None:
    with running(Limits(unread_seconds=5.0)) as server, server.connect(GET % b"/large") as client:
        got = 0
        while got < LARGE:
            got += len(client.recv(256 << 10))
            time.sleep(0.05)
        assert not server.closed


def test_new_connections_replace_idle_ones_but_not_busy_ones() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running(Limits(connections=10, reserve=4)))
        working = stack.enter_context(server.connect(GET % b"/wait"))
        eventually(lambda: "/wait" in server.app.asked)
        idle = [stack.enter_context(server.connect()) for _ in range(40)]
        eventually(lambda: server.closed["room"] >= 31 and server.open <= 10, "room")
        assert server.closed.keys() == {"room"}
        server.app.go.set()
        assert read(working, b"/wait").endswith(b"/wait")
        assert ended(idle[0])  # the oldest
        assert server.get("/after").endswith(b"/after")


def test_one_clients_flood_does_not_displace_the_connections_of_others() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running(Limits(connections=10, reserve=4)))
        quiet = stack.enter_context(server.connect(source="127.0.0.2"))
        for _ in range(40):
            stack.enter_context(server.connect())
        eventually(lambda: server.closed["room"] >= 31, "room")
        quiet.sendall(GET % b"/quiet")
        assert read(quiet, b"/quiet").endswith(b"/quiet")


def test_when_nothing_can_be_closed_health_checks_are_answered_and_others_refused() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running(Limits(connections=4, reserve=4)))

        def crowded() -> bool:
            # One that was idle for a moment may have been closed for the next.
            stack.enter_context(server.connect(GET % b"/wait"))
            return server.server.crowded

        eventually(crowded, "the server to be crowded", every=0.1)
        assert server.get("/health").endswith(b"/health")  # though both threads wait
        assert server.get("/other").startswith(b"HTTP/1.1 503 ")
        server.app.go.set()
        eventually(lambda: server.get("/other").endswith(b"/other"))


def test_a_health_check_is_answered_while_all_threads_are_at_work() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running())
        for _ in range(4):
            stack.enter_context(server.connect(GET % b"/wait"))
        eventually(lambda: server.app.asked.count("/wait") == 2)
        for _ in range(3):
            assert server.get("/health").endswith(b"/health")


def test_pipelined_requests_are_answered_in_order() -> None:
    paths = [b"/%d" % n for n in range(200)]
    with running() as server, server.connect(b"".join(GET % path for path in paths)) as client:
        said = read(client, b"/199")
        assert server.app.asked == [path.decode() for path in paths]
        assert said.count(b"HTTP/1.1 200 OK") == 200


def test_unread_answers_occupy_no_thread() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running())
        for _ in range(6):
            stack.enter_context(server.connect((GET % b"/large") * 20))
        eventually(lambda: server.app.asked.count("/large") >= 6)
        for _ in range(5):
            assert server.get("/other").endswith(b"/other")
        assert server.app.asked.count("/large") == 6  # the others wait for their turn


def refuse(head: RequestParser) -> RequestError | None:
    return Unauthorized("no key") if head.content_length else None


@pytest.mark.parametrize("size", [100, 2_000_000])
def test_a_refused_client_that_still_sends_can_read_why(size: int) -> None:
    with running(check_head=refuse) as server:
        for _ in range(10):
            with server.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size) as client:
                for _ in range(size // 100):
                    client.sendall(b"x" * 100)
                said = read(client, b"no end")
                assert said.startswith((b"HTTP/1.1 401 ", b"HTTP/1.0 401 "))
        assert server.app.bodies == []


def test_a_refused_client_that_never_stops_sending_is_disconnected() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n"
    with (
        running(Limits(linger_seconds=0.5), check_head=refuse) as server,
        server.connect(head) as client,
        dripping(client),
    ):
        eventually(lambda: server.closed == {"lingering": 1}, "the connection to be closed")


def test_the_bodies_that_are_held_are_bounded_together() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running(Limits(body_bytes=100_000)))
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
        first = stack.enter_context(server.connect(head))
        eventually(lambda: any(each.holds_body for each in server.server.active_channels.values()))
        second = stack.enter_context(server.connect(head))
        assert second.recv(65_536).split()[1] == b"503"
        small = stack.enter_context(
            server.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok")
        )
        assert small.recv(65_536).split()[1] == b"200"
        first.sendall(b"x" * 60_000)
        assert first.recv(65_536).split()[1] == b"200"
        eventually(lambda: not any(each.holds_body for each in server.server.active_channels.values()))
        third = stack.enter_context(server.connect(head + b"x" * 60_000))
        assert third.recv(65_536).split()[1] == b"200"


def test_idle_connections_are_not_asked_in_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running())
        for _ in range(50):
            stack.enter_context(server.connect())
        eventually(lambda: server.open == 50)
        asked: Counter[int] = Counter()
        readable = server.server.channel_class.readable

        def counted(channel: Any) -> bool:
            asked[id(channel)] += 1
            return bool(readable(channel))

        monkeypatch.setattr(server.server.channel_class, "readable", counted)
        client = stack.enter_context(server.connect())
        for _ in range(100):
            client.sendall(GET % b"/a")
            read(client, b"/a")
        assert sum(asked.values()) < 100 * 10
        assert len(asked) <= 3
