"""Requests over persistent connections, at a fixed rate or at full speed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ANSWER_SECONDS = 30.0

Make = Callable[[int], bytes]
"""The bytes of the n-th request."""


@dataclass
class Answers:
    """The responses to a load."""

    seconds: float = 0.0
    """Seconds from the first request to the last response."""
    latencies: list[float] = field(default_factory=list)
    """Seconds per response; at a fixed rate, measured from the time at which the request was due."""
    statuses: Counter[int] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, percent: float) -> float:
        """A percentile of the latencies."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def request(method: str, url: str, key: str, body: bytes = b"") -> bytes:
    """The bytes of a request."""
    where = urlsplit(url)
    lines = [f"{method} {where.path} HTTP/1.1", f"Host: {where.netloc}", f"Authorization: Bearer {key}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        self._writer.write(data)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        length = int(lower[start : lower.index(b"\r\n", start)])
        return int(head[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


async def _connect(url: str, count: int) -> list[_Connection]:
    where = urlsplit(url)
    return [_Connection(*await asyncio.open_connection(where.hostname, where.port)) for _ in range(count)]


async def _one(connection: _Connection, data: bytes, due: float, into: Answers) -> None:
    status, body = await asyncio.wait_for(connection.ask(data), ANSWER_SECONDS)
    into.latencies.append(time.perf_counter() - due)
    into.statuses[status] += 1
    into.bodies.append(body)


async def at_rate(url: str, make: Make, *, rate: float, seconds: float, connections: int = 64) -> Answers:
    """Send `rate` requests per second, each when it is due, independent of outstanding responses."""
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    opened = await _connect(url, connections)
    for connection in opened:
        free.put_nowait(connection)
    answers = Answers()

    async def send(number: int, due: float) -> None:
        connection = await free.get()
        await _one(connection, make(number), due, answers)
        free.put_nowait(connection)

    begin = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(number, due)))
    await asyncio.gather(*tasks)
    answers.seconds = time.perf_counter() - begin
    for connection in opened:
        connection.close()
    return answers


async def at_full_speed(url: str, make: Make, *, seconds: float, connections: int = 16) -> Answers:
    """Each connection sends its next request when the previous one is answered."""
    opened = await _connect(url, connections)
    answers = Answers()
    begin = time.perf_counter()

    async def repeat(connection: _Connection, number: int) -> None:
        while time.perf_counter() - begin < seconds:
            await _one(connection, make(number), time.perf_counter(), answers)
            number += connections

    await asyncio.gather(*(repeat(each, number) for number, each in enumerate(opened)))
    answers.seconds = time.perf_counter() - begin
    for connection in opened:
        connection.close()
    return answers
