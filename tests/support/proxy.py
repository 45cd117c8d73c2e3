"""A TCP proxy whose connections tests can break."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self


class TcpProxy:
    """Listens on a free loopback port and forwards to `target` ("host:port"). A context manager."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._passes = threading.Event()
        self._passes.set()
        self._refuses = False
        self.accepted = 0
        """Connections to the target so far."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host_port = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="proxy-accept", daemon=True).start()

    def cut(self) -> None:
        """Close every connection. New ones are accepted."""
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            _shut(one)

    def refuse(self) -> None:
        """Close every connection, and every new one immediately, until `restore`."""
        self._refuses = True
        self.cut()

    def hang(self) -> None:
        """Forward no data in either direction until `restore`, as when a network drops packets."""
        self._passes.clear()

    def restore(self) -> None:
        """Forward again. Closes hung connections, as after a partition."""
        self._refuses = False
        self.cut()
        self._passes.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and close all connections."""
        _shut(self._listener)
        self._listener.close()
        self.restore()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target, timeout=10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._sockets |= {near, far}
                self.accepted += 1
            for source, sink in ((near, far), (far, near)):
                threading.Thread(
                    target=self._forward, args=(source, sink), name="proxy-forward", daemon=True
                ).start()

    def _before_forward(self, source: socket.socket, data: bytes) -> None:
        """Called before `data` from `source` is forwarded. May block."""
        self._passes.wait()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                self._before_forward(source, data)
                sink.sendall(data)
        except OSError:
            pass
        _shut(sink)
        with self._lock:
            self._sockets.discard(source)
        source.close()


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
