"""A TCP proxy that is as far away, and as fast for each connection, as a store is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_PIECE = 1 << 18


class SlowLink:
    """Forwards to `target` ("host:port"). A context manager.

    What a client sends arrives after `rtt` seconds, answers at no more than `rate` bytes a second for each
    connection.
    """

    def __init__(self, target: str, *, rtt: float, rate: float) -> None:
        host, _, port = target.rpartition(":")
        self._target, self._rtt, self._rate = (host, int(port)), rtt, rate
        self._lock = threading.Lock()
        self.received = 0
        """Bytes of answers so far."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host_port = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            threading.Thread(target=self._ask, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        time.sleep(self._rtt)  # the handshake
        _forward(near, far, lambda _: time.sleep(self._rtt))

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        due = 0.0

        def wait(size: int) -> None:
            nonlocal due
            with self._lock:
                self.received += size
            now = time.monotonic()
            due = max(due, now) + size / self._rate
            if due - now > 0.001:
                time.sleep(due - now)

        _forward(far, near, wait)


def _forward(source: socket.socket, sink: socket.socket, wait: Callable[[int], None]) -> None:
    buffer = memoryview(bytearray(_PIECE))
    try:
        while size := source.recv_into(buffer):
            wait(size)
            sink.sendall(buffer[:size])
    except OSError:
        pass
    for one in (source, sink):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
