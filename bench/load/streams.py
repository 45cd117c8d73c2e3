"""Many open event streams, and the delay of events on them."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from bench.load.http import request

OPEN_SECONDS = 60.0
LAST_SECONDS = 20.0
"""Time after which the last events count as lost."""

Publish = Callable[[str, int, float], None]
"""Publishes a clip's progress: its id, a sequence number and the percentage."""


class Streams:
    """One open stream per clip, on an event loop in its own thread."""

    def __init__(self, url: str, key: str, request_ids: Sequence[str]) -> None:
        self._url, self._key, self._ids = url, key, request_ids
        self.sent: dict[tuple[str, float], float] = {}
        self.delays: list[float] = []
        self._opened = threading.Semaphore(0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def open(self) -> None:
        """Open the streams. Returns when each has received its first event."""
        self._thread.start()
        give_up = time.monotonic() + OPEN_SECONDS
        for _ in self._ids:
            if not self._opened.acquire(timeout=max(0.0, give_up - time.monotonic())):
                raise SystemExit("not all streams could be opened")

    def send_progress(self, publish: Publish, *, rate: float, seconds: float) -> int:
        """Publish progress of the clips in turn. Returns the number of events delivered to the clients."""
        begin = time.perf_counter()
        order = random.Random(1).sample(self._ids, len(self._ids))
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            request_id = order[number % len(order)]
            percent = round(1 + number / 100, 2)
            self.sent[request_id, percent] = time.perf_counter()
            publish(request_id, number + 1, percent)
        give_up = time.monotonic() + LAST_SECONDS
        while len(self.delays) < len(self.sent) and time.monotonic() < give_up:
            time.sleep(0.05)
        return len(self.delays)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(OPEN_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        tasks = [self._loop.create_task(self._follow(each)) for each in self._ids]
        self._loop.run_forever()
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _follow(self, request_id: str) -> None:
        where = urlsplit(self._url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(request("GET", f"{self._url}/v1/clip/{request_id}/events", self._key))
        first = True
        try:
            while line := await reader.readline():
                if not line.startswith(b"data: "):
                    continue
                arrived = time.perf_counter()
                percent = json.loads(line[6:]).get("progress_percent", 0.0)
                if first:
                    first = False
                    self._opened.release()
                elif (sent_at := self.sent.get((request_id, percent))) is not None:
                    self.delays.append(arrived - sent_at)
        finally:
            writer.close()
