"""A body that the app reads from the connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from clipping.http import body
from clipping.http.body import StreamedBody

STALL_SECONDS = 0.3


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end, which does not block as in its loop, and the client's."""
    server, client = socket.socketpair()
    server.setblocking(False)
    with server, client:
        yield server, client


def test_it_is_read_as_it_arrives(ends: tuple[socket.socket, socket.socket]) -> None:
    server, client = ends
    streamed = StreamedBody(server, 10)
    assert streamed.begin(b"abc") == b""
    assert streamed.read(2) == b"ab"
    assert streamed.read(100) == b"c"
    client.sendall(b"defg")
    assert streamed.read(100) == b"defg"
    client.sendall(b"hij, and the next request")
    assert streamed.read() == b"hij"
    assert streamed.read() == b""


def test_what_follows_it_is_not_of_it(ends: tuple[socket.socket, socket.socket]) -> None:
    streamed = StreamedBody(ends[0], 3)
    assert streamed.begin(b"abcGET / HTTP/1.1") == b"GET / HTTP/1.1"
    assert (streamed.read(), streamed.read()) == (b"abc", b"")


def test_a_client_that_waits_continues_once(ends: tuple[socket.socket, socket.socket]) -> None:
    server, client = ends
    streamed = StreamedBody(server, 4)
    streamed.expects_continue = True
    client.sendall(b"ab")
    assert streamed.read() == b"ab"
    client.sendall(b"cd")
    assert streamed.read() == b"cd"
    assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_it_ends_where_the_client_breaks_off(ends: tuple[socket.socket, socket.socket]) -> None:
    server, client = ends
    streamed = StreamedBody(server, 10)
    client.sendall(b"abc")
    client.close()
    assert [streamed.read(), streamed.read(), streamed.read()] == [b"abc", b"", b""]


def test_it_ends_where_the_server_closes(ends: tuple[socket.socket, socket.socket]) -> None:
    streamed = StreamedBody(ends[0], 10)
    ends[0].close()
    assert streamed.read() == b""


def test_it_ends_where_the_client_stalls(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "STALL_SECONDS", 0.02)
    streamed = StreamedBody(ends[0], 10)
    assert streamed.read() == b""
    ends[1].sendall(b"late")
    assert streamed.read() == b""


def test_a_client_that_sends_a_byte_now_and_then_is_given_up(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = ends
    monkeypatch.setattr(body, "STALL_SECONDS", STALL_SECONDS)
    reading, given_up = StreamedBody(server, 1 << 20), threading.Event()

    def drip() -> None:
        while not given_up.wait(STALL_SECONDS / 3):
            client.send(b"x")

    with ThreadPoolExecutor() as pool:
        dripping = pool.submit(drip)
        came = 0
        while came < 100 and (data := reading.read(1 << 18)):
            came += len(data)
        given_up.set()
        dripping.result()
    assert came < 10
    assert reading.read(1) == b""


def test_the_apps_own_time_does_not_count(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = ends
    monkeypatch.setattr(body, "STALL_SECONDS", STALL_SECONDS)
    reading = StreamedBody(server, 3)
    for piece in (b"a", b"b", b"c"):
        client.send(piece)
        time.sleep(STALL_SECONDS)  # the app, which stores what came before
        assert reading.read(1) == piece


def test_any_announced_size_is_read_in_pieces(ends: tuple[socket.socket, socket.socket]) -> None:
    server, client = ends
    client.send(b"abc")
    assert StreamedBody(server, 1 << 80).read() == b"abc"
