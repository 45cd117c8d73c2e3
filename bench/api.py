"""The API's throughput and latency on SQLite and on PostgreSQL, compared with an empty Flask route.

    python -m bench.api [--seconds N] [--streams N] [--workers N]

Runs gunicorn with the API's settings: two workers on PostgreSQL, and one on SQLite, which allows one writer
at a time. The load, the database and the embedded Pub/Sub share the machine's cores with the workers.
Databases write through to the disk, as in production.

- `POST` is /v1/clip/request: validated, stored with its outbox entry, published, answered. `status` requests
  one of many clips.
- At a fixed rate, requests are sent when they are due, and latencies are measured from then. At full speed,
16 connections each send the next request when the previous one is answered. CPU time is that of all workers.
- Streams: each client watches its own clip while agents publish progress at a fixed rate over all clips. The
  delay is measured from before the publish until the client receives the event.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load.http import Answers, Make, at_full_speed, at_rate, request
from bench.load.streams import Streams
from bench.load.usage import megabytes, processor_seconds
from clipping.contract.messages import ProgressMessage
from tests.api.api_process import CLIENT, ApiProcess, emulator_host
from tests.api.gunicorn_process import GunicornProcess
from tests.support.broker import BrokerProcess
from tests.support.postgres import PostgresServer, find_programs
from tests.support.stack import children_of

RATE = 200.0
PROGRESS_RATE = 50.0
WARM_UP = 50

Figures = dict[str, str]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=15.0, metavar="N", help="duration of each measurement"
    )
    parser.add_argument("--streams", type=int, default=500, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args()
    columns: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder:
        columns["bare route"] = _bare(options.seconds, options.workers)
        with ExitStack() as stack:
            broker = stack.enter_context(BrokerProcess(Path(folder) / "broker"))
            stack.enter_context(emulator_host(broker.host_port))
            urls = {"SQLite": f"sqlite:///{folder}/clips.db"}
            if (programs := find_programs()) is not None:
                postgres = stack.enter_context(PostgresServer(programs, durable=True))
                urls["PostgreSQL"] = postgres.database()
            for name, url in urls.items():
                workers = options.workers if name == "PostgreSQL" else 1
                with _service(Path(folder) / name, broker, url, workers, options.streams) as service:
                    columns[name] = _measure(service, options.seconds, options.streams)
    _print(columns)
    return 0


def _bare(seconds: float, workers: int) -> Figures:
    command = [sys.executable, "-m", "bench.load.bare", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as bare:
        assert bare.stdout is not None
        url = bare.stdout.readline().strip() + "/"
        time.sleep(1)  # until the workers are forked
        pids = [bare.pid, *children_of(bare.pid)]
        posted, got = request("POST", url, CLIENT, b"x" * 300), request("GET", url, CLIENT)
        figures = _both(pids, url, "POST", lambda _: posted, seconds, 200)
        figures |= _both(pids, url, "status", lambda _: got, seconds, 200)
        bare.terminate()
    return figures


@dataclass(frozen=True)
class Service:
    """gunicorn, and an idle `ApiProcess` that publishes the agents' messages."""

    server: GunicornProcess
    agents: ApiProcess


@contextmanager
def _service(folder: Path, broker: BrokerProcess, url: str, workers: int, streams: int) -> Iterator[Service]:
    over = {"api": {"database_url": url, "event_streams": streams}}
    agents = ApiProcess(folder, emulator=broker.host_port, over=over)
    agents.stop()
    try:
        with GunicornProcess(agents, folder, workers=workers) as server:
            yield Service(server, agents)
    finally:
        agents.close()


def _measure(service: Service, seconds: float, streams: int) -> Figures:
    url, pids = service.server.url, service.server.worker_pids
    body = {"hand_id": "bench", "nas_video_path": f"{service.agents.root}/a.mp4"}
    data = json.dumps({**body, "start_seconds": 1, "end_seconds": 31}).encode()
    ask = request("POST", f"{url}/v1/clip/request", CLIENT, data)
    first = asyncio.run(at_rate(url, lambda _: ask, rate=WARM_UP, seconds=max(2.0, streams / WARM_UP)))
    ids = [json.loads(each)["request_id"] for each in first.bodies]
    looks = [request("GET", f"{url}/v1/clip/{each}/status", CLIENT) for each in ids]
    figures = _streams(service, ids[:streams], seconds)
    figures |= _both(pids, url, "POST", lambda _: ask, seconds, 202)
    return figures | _both(pids, url, "status", lambda n: looks[n % len(looks)], seconds, 200)


def _both(pids: Sequence[int], url: str, name: str, make: Make, seconds: float, expected: int) -> Figures:
    asyncio.run(at_rate(url, make, rate=WARM_UP, seconds=1))
    before = sum(map(processor_seconds, pids))
    steady = asyncio.run(at_rate(url, make, rate=RATE, seconds=seconds))
    used = sum(map(processor_seconds, pids)) - before
    full = asyncio.run(at_full_speed(url, make, seconds=seconds))
    for answers in (steady, full):
        if set(answers.statuses) != {expected}:
            raise SystemExit(f"{name}: unexpected statuses {dict(answers.statuses)}")
    return {
        f"{name} at {RATE:g}/s, p50 ms": f"{steady.milliseconds(50):.1f}",
        f"{name} at {RATE:g}/s, p99 ms": f"{steady.milliseconds(99):.1f}",
        f"{name} at {RATE:g}/s, CPU ms each": f"{1000 * used / len(steady.latencies):.2f}",
        f"{name} at full speed, requests/s": f"{full.rate:.0f}",
        f"{name} at full speed, p50 ms": f"{full.milliseconds(50):.1f}",
        f"{name} at full speed, p99 ms": f"{full.milliseconds(99):.1f}",
    }


def _streams(service: Service, ids: list[str], seconds: float) -> Figures:
    pids = service.server.worker_pids
    before = sum(map(megabytes, pids))
    streams = Streams(service.server.url, CLIENT, ids)
    streams.open()
    after = sum(map(megabytes, pids))

    def publish(request_id: str, seq: int, percent: float) -> None:
        service.agents.send(
            ProgressMessage(
                request_id=request_id,
                stage="cutting",
                progress_percent=percent,
                agent_id="nas-1",
                epoch=1,
                attempt=1,
                seq=seq,
            )
        )

    delivered = streams.send_progress(publish, rate=PROGRESS_RATE, seconds=seconds)
    streams.close()
    delays = Answers(latencies=streams.delays)
    return {
        "open streams": str(len(ids)),
        "workers' memory without streams, MB": f"{before:.0f}",
        "workers' memory with streams, MB": f"{after:.0f}",
        f"progress delivered ({PROGRESS_RATE:g}/s)": f"{delivered} of {len(streams.sent)}",
        "progress to client, p50 ms": f"{delays.milliseconds(50):.0f}",
        "progress to client, p99 ms": f"{delays.milliseconds(99):.0f}",
    }


def _print(columns: dict[str, Figures]) -> None:
    rows = list(dict.fromkeys(row for figures in columns.values() for row in figures))
    print(f"{'':38}" + "".join(f"{name:>14}" for name in columns))
    for row in rows:
        print(f"{row:38}" + "".join(f"{figures.get(row, '-'):>14}" for figures in columns.values()))


if __name__ == "__main__":
    sys.exit(main())
