"""A low-level reader of server-sent events: exposes ids, comments, and how the stream ended."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.waiting import eventually

SECONDS = 60.0


@dataclass
class Event:
    """An event and its id."""

    name: str
    data: dict[str, Any]
    id: str | None


@dataclass
class EventReader:
    """Reads a stream in its own thread. Opens it on construction. A context manager."""

    url: str
    key: str
    last_event_id: str | None = None
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    comments: int = 0
    retry: int | None = None
    ended: bool = False
    """Whether the server ended the stream properly, with the last chunk."""

    def __post_init__(self) -> None:
        where = urlsplit(self.url)
        self._socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=SECONDS)
        target = f"{where.path}?{where.query}" if where.query else where.path
        lines = [f"GET {target} HTTP/1.1", f"Host: {where.netloc}", f"Authorization: Bearer {self.key}"]
        lines += [f"Last-Event-ID: {self.last_event_id}"] if self.last_event_id is not None else []
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while line := self._file.readline().decode().rstrip("\r\n"):
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        self._thread = threading.Thread(target=self._read, name="event-reader", daemon=True)
        self._thread.start()

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def last_id(self) -> str | None:
        """The Last-Event-ID that a browser would send on a reconnect."""
        return next((event.id for event in reversed(self.events) if event.id is not None), self.last_event_id)

    def wait(self, name: str) -> Event:
        """Wait for the first event of that name."""
        found = eventually(
            lambda: [event for event in self.events if event.name == name],
            f"the event {name}",
            within=SECONDS,
        )
        return found[0]

    def wait_for_end(self) -> None:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), f"the stream continues after {self.names}"

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(SECONDS)
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        text = ""
        try:
            while chunk := self._chunk():
                text += chunk.decode()
                *blocks, text = text.split("\n\n")
                for block in blocks:
                    self._take(block)
        except (OSError, ValueError):
            return  # disconnected

    def _chunk(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self._file.read(1)
        line = self._file.readline()
        if not line:
            return b""
        length = int(line, 16)
        data = self._file.read(length)
        self._file.readline()
        self.ended = length == 0
        return data

    def _take(self, block: str) -> None:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            else:
                fields[name] = value
        if "retry" in fields:
            self.retry = int(fields["retry"])
        if "event" in fields:
            self.events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))
