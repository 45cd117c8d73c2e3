"""Clients that hold connections or send endless requests, for tests against this machine only."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Self

_BURST = 100
"""Connections opened per iteration."""


@dataclass
class Held:
    """`count` connections that send `opening`, then one byte of `drip` every `every` seconds.

    Closed connections are reopened immediately, as an attacker would. A context manager.
    """

    address: tuple[str, int]
    count: int
    opening: bytes = b""
    drip: bytes = b""
    every: float = 4.0
    reopen: bool = True

    closed: int = 0
    """Number of connections closed by the server."""
    received: int = 0
    """Bytes received from the server."""
    _open: dict[socket.socket, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="attack", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        for each in self._open:
            each.close()
        self._selector.close()

    @property
    def open(self) -> int:
        return len(self._open)

    def wait_until_open(self, seconds: float = 10.0) -> None:
        """Wait until all connections are open, or for `seconds`: a server may not accept that many."""
        give_up = time.monotonic() + seconds
        while self.open < self.count and time.monotonic() < give_up:
            time.sleep(0.05)

    def _run(self) -> None:
        missing = self.count
        while not self._stop.is_set():
            missing -= self._connect(min(missing, _BURST))
            gone = self._read()
            gone += self._send(time.monotonic())
            self.closed += gone
            if self.reopen:
                missing += gone

    def _connect(self, count: int) -> int:
        for number in range(count):
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                connection.connect(self.address)
            except BlockingIOError:
                pass
            except OSError:
                connection.close()
                return number
            # Spread over the interval to avoid bursts.
            self._open[connection] = time.monotonic() - self.every * len(self._open) / self.count
            self._selector.register(connection, selectors.EVENT_READ)
            if self.opening:
                try:
                    connection.send(self.opening)
                except OSError:  # not yet connected: sent with the first drip
                    self._open[connection] = float("-inf")
        return count

    def _read(self) -> int:
        gone = 0
        for key, _ in self._selector.select(0.02):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                data = connection.recv(65_536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            self.received += len(data)
            if not data:
                self._drop(connection)
                gone += 1
        return gone

    def _send(self, now: float) -> int:
        if not self.drip:
            return 0
        gone = 0
        for connection, last in list(self._open.items()):
            if now - last < self.every:
                continue
            try:
                connection.send(self.opening if last == float("-inf") else self.drip)
            except BlockingIOError:
                pass
            except OSError:
                self._drop(connection)
                gone += 1
                continue
            self._open[connection] = now
        return gone

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._open[connection]
        connection.close()


@dataclass
class Floods:
    """`count` clients that send `opening`, then repeat `block` until `size` bytes are sent.

    Each client runs once, and reads nothing until it has sent everything. A context manager.
    """

    address: tuple[str, int]
    count: int
    opening: bytes
    block: bytes
    size: int

    sent: int = 0
    """Bytes accepted by the kernel."""

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"flood-{n}", daemon=True) for n in range(self.count)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        try:
            with socket.create_connection(self.address, timeout=1) as connection:
                connection.sendall(self.opening)
                # Two consecutive blocks, so that sending can resume at any offset of the first.
                blocks, done = memoryview(self.block * 2), 0
                while done < self.size and not self._stop.is_set():
                    at = done % len(self.block)
                    try:
                        sent = connection.send(blocks[at : at + min(len(self.block), self.size - done)])
                    except TimeoutError:
                        continue
                    done += sent
                    with self._lock:
                        self.sent += sent
                self._stop.wait()
        except OSError:
            pass  # rejected or closed by the server
