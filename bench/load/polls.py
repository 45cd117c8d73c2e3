"""Clients that poll the status of their clips, with or without the ETag of the last answer."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Self
from urllib.parse import urlsplit

_STOP_SECONDS = 30.0


class Polls:
    """One connection for each clip, which polls it every `every` seconds. A context manager.

    Runs on an event loop in its own thread.
    """

    def __init__(
        self, url: str, key: str, request_ids: Sequence[str], *, every: float, conditional: bool
    ) -> None:
        """`conditional`: send the ETag of the last answer, as far as the service sends one."""
        self._where, self._key = urlsplit(url), key
        self._ids, self._every, self._conditional = request_ids, every, conditional
        self.statuses: Counter[int] = Counter()
        self.failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="polls", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)
        if self.failure is not None:
            raise SystemExit(f"a poll failed: {self.failure!r}")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        tasks = [
            self._loop.create_task(self._follow(each, self._every * place / len(self._ids)))
            for place, each in enumerate(self._ids)
        ]
        self._loop.run_forever()
        for task in tasks:
            task.cancel()
        for result in self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True)):
            if not isinstance(result, asyncio.CancelledError):
                self.failure = result
        self._loop.close()

    async def _follow(self, request_id: str, offset: float) -> None:
        due = self._loop.time() + offset
        reader, writer = await asyncio.open_connection(self._where.hostname, self._where.port)
        etag = ""
        try:
            while True:
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                due += self._every
                lines = [
                    f"GET /v1/clip/{request_id}/status HTTP/1.1",
                    f"Host: {self._where.netloc}",
                    f"Authorization: Bearer {self._key}",
                    *([f"If-None-Match: {etag}"] if etag else []),
                ]
                writer.write("\r\n".join([*lines, "", ""]).encode())
                first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
                await reader.readexactly(int(headers.get("content-length", 0)))
                self.statuses[int(first.split()[1])] += 1
                if self._conditional:
                    etag = headers.get("etag", "")
        finally:
            writer.close()
