"""Parses server-sent events (WHATWG HTML standard). Pure."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_LINE = 1 << 20
"""Characters. A status with a long report has a few thousand."""


@dataclass(frozen=True)
class Message:
    """One event of a stream."""

    event_id: str | None
    """The last id in the stream, up to this event."""
    kind: str
    data: str


class StreamBroken(ValueError):
    """The response is not an event stream."""


class Reader:
    """Parses the events of a stream from pieces of any size."""

    def __init__(self, last_id: str | None = None) -> None:
        self.last_id = last_id
        self.retry_seconds: float | None = None
        """The reconnection time that the service has sent, if any."""
        self._kind = ""
        self._data: list[str] = []

    def read(self, pieces: Iterable[bytes]) -> Iterator[Message]:
        """The events in `pieces`. Raises `StreamBroken`, and errors of `pieces`. Drops an incomplete
        event."""
        self._kind, self._data = "", []
        for line in _lines(pieces):
            if line:
                self._field(line)
                continue
            if self._data:
                yield Message(self.last_id, self._kind or "message", "\n".join(self._data))
            self._kind, self._data = "", []

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.retry_seconds = int(value) / 1000


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines without their ends, which are CR LF, LF or CR. An incomplete last line is dropped."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest, after_cr = "", False
    for piece in pieces:
        text = decoder.decode(piece)
        if not text:
            continue
        ended, after_cr = after_cr, text.endswith("\r")
        if ended:
            text = text.removeprefix("\n")
        *lines, rest = (rest + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(rest) > MAX_LINE:
            raise StreamBroken("a line of the stream is too long")
        yield from lines
