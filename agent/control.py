"""The running agent's socket for `clipping-agent ctl`, in its state folder, for its own user and root.

One connection, one line of JSON in (`{"command": "status"}`), one out (`{"ok": true, …}`).
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipping.errors import ClippingError, ConfigurationError
from clipping.log import get_logger

log = get_logger(__name__)

SOCKET_NAME = "ctl.sock"
MAX_LINE = 64 << 10
CLIENT_SECONDS = 5.0
"""How long a client may take to send its line."""
ACCEPT_SECONDS = 0.5
BACKLOG = 8
READS = ("status", "health")
"""Commands that change nothing, and are not logged."""

Command = Callable[[], Mapping[str, Any]]


class Control:
    """Runs `commands` one at a time. Owns the thread `control`. The caller holds the lock on `state_dir`."""

    def __init__(self, state_dir: Path, commands: Mapping[str, Command]) -> None:
        self._commands = commands
        self._path = state_dir / SOCKET_NAME
        self._path.unlink(missing_ok=True)  # left by a process that died: we hold the lock
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with reachable(state_dir) as name:
            self._listener.bind(name)
        # Connecting needs write permission. No process can connect before `listen`.
        self._path.chmod(0o600)
        self._listener.listen(BACKLOG)
        self._listener.settimeout(ACCEPT_SECONDS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(CLIENT_SECONDS)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError as error:  # such as no free descriptors, which may pass
                log.warning("control.not_heard", error=str(error))
                self._stop.wait(ACCEPT_SECONDS)
                continue
            with client:
                try:
                    client.settimeout(CLIENT_SECONDS)
                    client.sendall(json.dumps(self._answer(read_line(client))).encode() + b"\n")
                except OSError as error:
                    log.debug("control.broken", error=str(error))

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            name = json.loads(line)["command"]
            command = self._commands[name]
        except (ValueError, TypeError, KeyError):
            return {"ok": False, "code": "INVALID_REQUEST", "message": f"unknown command: {line[:200]!r}"}
        try:
            answer = command()
        except ConfigurationError as error:
            return {"ok": False, "code": error.code, "message": error.message, "problems": error.problems}
        except ClippingError as error:
            return {"ok": False, "code": error.code, "message": error.message}
        except Exception:  # the thread must survive: a bug in one command must not disable the others
            log.exception("control.failed", command=name)
            return {"ok": False, "code": "INTERNAL_ERROR", "message": "see the agent's log"}
        if name not in READS:
            log.info("control.done", command=name)
        return {"ok": True, **answer}


@contextmanager
def reachable(folder: Path) -> Iterator[str]:
    """A path to the socket in `folder` that fits into the 107 bytes of a socket address."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def read_line(connection: socket.socket) -> bytes:
    """Read up to the newline or the end of the connection. Raises `OSError` above `MAX_LINE` bytes."""
    received = b""
    while not received.endswith(b"\n"):
        chunk = connection.recv(4096)
        if not chunk:
            break
        received += chunk
        if len(received) > MAX_LINE:
            raise OSError("the line is too long")
    return received
