"""The API's throughput and latency on SQLite and on PostgreSQL, as ratios to two controls of the same run.

    python -m bench.api [--seconds N] [--rate N] [--streams N] [--workers N]

The controls: an empty Flask route on the API's server, and bare commits of one row, flushed to the disk like
the API's.

Runs gunicorn with the API's settings: two workers on PostgreSQL, and one on SQLite, which allows one writer
at a time. The load, the database and the embedded Pub/Sub share the machine's cores with the workers.
Databases write through to the disk, as in production.

- `POST` is /v1/clip/request: validated, stored with its outbox entry, published, answered. `status` requests
  one of many clips.
- At a fixed rate, requests are sent when they are due, and latencies are measured from then. At full speed,
  16 connections each send the next request when the previous one is answered.
- CPU times are those of each process (PostgreSQL's with its children), per request.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load.commits import postgres_commits, sqlite_commits
from bench.load.http import Answers, Make, at_full_speed, at_rate, request
from bench.load.streams import Streams
from bench.load.usage import children_seconds, megabytes, processor_seconds, since
from clipping.contract.messages import ProgressMessage
from tests.api.api_process import CLIENT, ApiProcess, emulator_host
from tests.api.gunicorn_process import GunicornProcess
from tests.support.broker import BrokerProcess
from tests.support.postgres import PostgresServer, find_programs

PROGRESS_RATE = 50.0
WARM_UP = 50
SERVER = "API"
"""The name of the processes that answer, the bare route's too."""

Figures = dict[str, float | str]
Processes = dict[str, list[int]]
"""Process ids by name, for CPU times."""


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.api",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seconds", type=float, default=15.0, metavar="N", help="duration of each measurement"
    )
    parser.add_argument("--rate", type=float, default=100.0, metavar="N", help="the fixed rate, per second")
    parser.add_argument("--streams", type=int, default=500, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args()
    load = Load(options.seconds, options.rate)
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder, ExitStack() as stack:
        routes = {workers: _bare(load, workers) for workers in sorted({1, options.workers})}
        columns = {f"route, {workers} worker(s)": figures for workers, figures in routes.items()}
        broker = stack.enter_context(BrokerProcess(Path(folder) / "broker"))
        stack.enter_context(emulator_host(broker.host_port))
        urls = {"SQLite": f"sqlite:///{folder}/clips.db"}
        others = {"SQLite": {"broker": [broker.pid]}}
        commits = {"SQLite": sqlite_commits(Path(folder), seconds=load.seconds)}
        if (programs := find_programs()) is not None:
            postgres = stack.enter_context(PostgresServer(programs, durable=True))
            urls["PostgreSQL"] = postgres.database()
            others["PostgreSQL"] = {"broker": [broker.pid], "PostgreSQL": [postgres.pid]}
            commits["PostgreSQL"] = postgres_commits(postgres.database(), seconds=load.seconds)
        for name, url in urls.items():
            workers = options.workers if name == "PostgreSQL" else 1
            with _service(Path(folder) / name, broker, url, workers, options.streams) as service:
                figures = _measure(service, load, options.streams, others[name])
            figures |= {
                "bare commits/s": commits[name].rate,
                "bare commit, p50 ms": commits[name].milliseconds(50),
            }
            columns[name] = figures | ratios(figures, routes[workers])
    print(table(columns))
    return 0


@dataclass(frozen=True)
class Load:
    """`seconds` of each measurement; `rate` of the steady ones, per second."""

    seconds: float
    rate: float


def ratios(figures: Figures, route: Figures) -> Figures:
    """How many times as much a request costs as the bare route, and as a bare commit."""

    def times(name: str, *, inverse: bool = False) -> str:
        ours, bare = float(figures[name]), float(route[name])
        return f"{bare / ours if inverse else ours / bare:.1f}x"

    found: Figures = {}
    for name in ("POST", "status"):
        full = f"{name} at full speed, requests/s"
        found[f"{name} / bare route: p50"] = times(f"{name}, p50 ms")
        found[f"{name} / bare route: CPU of the {SERVER}"] = times(f"{name}, CPU ms each: {SERVER}")
        found[f"{name} / bare route: time at full speed"] = times(full, inverse=True)
    posts = float(figures["POST at full speed, requests/s"])
    found["POST / bare commit: time at full speed"] = f"{float(figures['bare commits/s']) / posts:.1f}x"
    return found


def _bare(load: Load, workers: int) -> Figures:
    command = [sys.executable, "-m", "bench.load.bare", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as bare:
        assert bare.stdout is not None
        url = bare.stdout.readline().strip() + "/"
        time.sleep(1)  # until the workers are forked
        processes = {SERVER: [bare.pid]}
        posted, got = request("POST", url, CLIENT, b"x" * 300), request("GET", url, CLIENT)
        figures = _both(processes, url, "POST", lambda _: posted, load, 200)
        figures |= _both(processes, url, "status", lambda _: got, load, 200)
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


def _measure(service: Service, load: Load, streams: int, others: Processes) -> Figures:
    url, processes = service.server.url, {SERVER: service.server.worker_pids} | others
    body = {"hand_id": "bench", "nas_video_path": f"{service.agents.root}/a.mp4"}
    data = json.dumps({**body, "start_seconds": 1, "end_seconds": 31}).encode()
    ask = request("POST", f"{url}/v1/clip/request", CLIENT, data)
    first = asyncio.run(at_rate(url, lambda _: ask, rate=WARM_UP, seconds=max(2.0, streams / WARM_UP)))
    ids = [json.loads(each)["request_id"] for each in first.bodies]
    looks = [request("GET", f"{url}/v1/clip/{each}/status", CLIENT) for each in ids]
    figures = _streams(service, ids[:streams], load.seconds)
    figures |= _both(processes, url, "POST", lambda _: ask, load, 202)
    return figures | _both(processes, url, "status", lambda n: looks[n % len(looks)], load, 200)


def _both(processes: Processes, url: str, name: str, make: Make, load: Load, expected: int) -> Figures:
    asyncio.run(at_rate(url, make, rate=WARM_UP, seconds=1))
    before = _seconds(processes)
    steady = asyncio.run(at_rate(url, make, rate=load.rate, seconds=load.seconds))
    between = _seconds(processes)
    full = asyncio.run(at_full_speed(url, make, seconds=load.seconds))
    after = _seconds(processes)
    for answers in (steady, full):
        if set(answers.statuses) != {expected}:
            raise SystemExit(f"{name}: unexpected statuses {dict(answers.statuses)}")
    used, used_at_full_speed = since(before, between), since(between, after)
    return {
        f"{name}, p50 ms": steady.milliseconds(50),
        f"{name}, p99 ms": steady.milliseconds(99),
        **{
            f"{name}, CPU ms each: {process}": 1000 * each / len(steady.latencies)
            for process, each in used.items()
        },
        f"{name} at full speed, requests/s": full.rate,
        f"{name} at full speed, p50 ms": full.milliseconds(50),
        f"{name} at full speed, p99 ms": full.milliseconds(99),
        **{
            f"{name} at full speed, CPU ms each: {process}": 1000 * each / len(full.latencies)
            for process, each in used_at_full_speed.items()
        },
    }


def _seconds(processes: Processes) -> dict[str, float]:
    """CPU time of the processes with their children, by name."""
    return {
        name: sum(processor_seconds(pid) + children_seconds(pid) for pid in pids)
        for name, pids in processes.items()
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
        "workers' memory without streams, MB": before,
        "workers' memory with streams, MB": after,
        f"progress delivered ({PROGRESS_RATE:g}/s)": f"{delivered} of {len(streams.sent)}",
        "progress to client, p50 ms": delays.milliseconds(50),
        "progress to client, p99 ms": delays.milliseconds(99),
    }


def table(columns: dict[str, Figures]) -> str:
    """A row for each figure, with a dash where a column has none."""
    # The last column has the most rows, in the best order.
    names = list(dict.fromkeys(row for figures in reversed(columns.values()) for row in figures))
    rows = [f"{'':50}" + "".join(f"{name:>20}" for name in columns)]
    rows += [
        f"{name:50}" + "".join(f"{_cell(figures.get(name, '-')):>20}" for figures in columns.values())
        for name in names
    ]
    return "\n".join(rows)


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
