"""The cost of many streams of all requests: `GET /v1/events`.

    python -m bench.feed [--streams N] [--callers N] [--clips N] [--rate N] [--seconds N] [--postgres]

The streams and the clips are divided among the callers, so that each event is sent to `streams / callers`
clients. Agents publish progress at a fixed rate over all clips, first without streams, then with them. The
figures are the CPU seconds of the API, and the delay from before the publish until a client has the event.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bench.load.http import request
from bench.load.usage import megabytes, processor_seconds
from clipping.contract.messages import ProgressMessage
from tests.api.api_process import ApiProcess, emulator_host, key
from tests.api.conftest import migrated
from tests.support.broker import BrokerProcess
from tests.support.postgres import PostgresServer, find_programs

OPEN_SECONDS = 120.0


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.feed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--streams", type=int, default=500, metavar="N")
    parser.add_argument("--callers", type=int, default=50, metavar="N")
    parser.add_argument("--clips", type=int, default=1000, metavar="N")
    parser.add_argument("--rate", type=float, default=50.0, metavar="N", help="messages a second")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N")
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-feed-") as folder, ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(Path(folder) / "broker"))
        stack.enter_context(emulator_host(broker.host_port))
        names = [f"caller-{number}" for number in range(options.callers)]
        over = {"event_streams": options.streams, "keys": [key(name, "client", name) for name in names]}
        if options.postgres:
            if (programs := find_programs()) is None:
                raise SystemExit("there is no PostgreSQL here")
            server = stack.enter_context(PostgresServer(programs, durable=True))
            over["database_url"] = migrated(server.database())
        api = ApiProcess(Path(folder) / "api", emulator=broker.host_port, over={"api": over})
        stack.callback(api.close)
        ids = [each for name in names for each in _clips(api, name, options.clips // options.callers)]
        load = Load(api, ids, options.rate, options.seconds)
        load.run("warm-up")
        load.run("no streams")
        streams = Streams(api.url, [names[number % len(names)] for number in range(options.streams)])
        streams.open()
        stack.callback(streams.close)
        began = processor_seconds(api.pid)
        time.sleep(options.seconds)
        print(f"idle streams: {processor_seconds(api.pid) - began:.2f} s of CPU")
        streams.arrived.clear()
        load.run(f"{options.streams} streams")
        wanted = int(options.rate * options.seconds) * options.streams // options.callers
        delays = sorted(at - load.sent[what] for at, what in streams.arrived if what in load.sent)
        print(f"{len(delays)} of {wanted} events arrived; {megabytes(api.pid):.0f} MB")
        print(f"delay: p50 {delays[len(delays) // 2]:.2f} s, p95 {delays[len(delays) * 95 // 100]:.2f} s")
    return 0


def _clips(api: ApiProcess, name: str, count: int) -> list[str]:
    clip = {"hand_id": "h", "nas_video_path": f"{api.root}/a.mp4", "start_seconds": 0, "end_seconds": 9}
    answer = requests.post(
        f"{api.url}/v1/clip/batch",
        json={"clips": [clip] * count},
        headers={"Authorization": f"Bearer {name}"},
        timeout=60,
    )
    return [item["request_id"] for item in answer.json()["items"]]


class Load:
    """Progress of the clips in turn."""

    def __init__(self, api: ApiProcess, ids: Sequence[str], rate: float, seconds: float) -> None:
        self._api, self._ids, self._rate, self._count = api, ids, rate, int(rate * seconds)
        self._number = 0
        self.sent: dict[tuple[str, float], float] = {}

    def run(self, name: str) -> None:
        """Publish for some seconds, wait until all is applied, and print the API's CPU time."""
        self.sent.clear()
        used, began = processor_seconds(self._api.pid), time.monotonic()
        for number in range(self._count):
            time.sleep(max(0.0, began + number / self._rate - time.monotonic()))
            self._number += 1
            request_id = self._ids[self._number % len(self._ids)]
            percent = round(self._number / 100, 2)
            self.sent[request_id, percent] = time.monotonic()
            self._api.send(
                ProgressMessage(
                    request_id=request_id,
                    stage="cutting",
                    progress_percent=percent,
                    agent_id="nas-1",
                    epoch=1,
                    attempt=1,
                    seq=self._number,
                )
            )
        time.sleep(3)
        print(f"{name}: {processor_seconds(self._api.pid) - used:.2f} s of CPU for {self._count} messages")


class Streams:
    """Open streams, on an event loop in its own thread."""

    def __init__(self, url: str, keys: Sequence[str]) -> None:
        self._url, self._keys = url, keys
        self.arrived: list[tuple[float, tuple[str, float]]] = []
        self._opened = threading.Semaphore(0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def open(self) -> None:
        """Returns when each has received its first event."""
        self._thread.start()
        for _ in self._keys:
            if not self._opened.acquire(timeout=OPEN_SECONDS):
                raise SystemExit("not all streams could be opened")

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(OPEN_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        tasks = [self._loop.create_task(self._follow(each)) for each in self._keys]
        self._loop.run_forever()
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _follow(self, secret: str) -> None:
        where = urlsplit(self._url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(request("GET", f"{self._url}/v1/events", secret))
        try:
            while line := await reader.readline():
                if line.startswith(b'data: {"reason"'):
                    self._opened.release()
                elif line.startswith(b"data: "):
                    data = json.loads(line[6:])
                    self.arrived.append(
                        (time.monotonic(), (data["request_id"], data.get("progress_percent", 0.0)))
                    )
        finally:
            writer.close()


if __name__ == "__main__":
    raise SystemExit(main())
