"""The stack under test, with a supervisor that restarts processes, as systemd would."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.soak.recordings import MARKER, Roots
from clipping.client import Client, Retries
from tests.support.agent_node import AgentNode
from tests.support.broker import BrokerProcess
from tests.support.cluster import Cluster
from tests.support.procs import alive, children_of
from tests.support.proxy import TcpProxy

RESTART_SECONDS = 1.0
SUPERVISE_SECONDS = 0.2
SPOOL_MEGABYTES, STORE_MEGABYTES = 1024, 8192
MIN_FREE_BYTES = 20_000_000
PERSISTENT = Retries(tries=10_000, within_seconds=900.0, longest_wait_seconds=2.0)
OVER: dict[str, Any] = {
    # The defaults, scaled down: returned messages are redelivered with backoff.
    "pubsub": {"lease_seconds": 10, "retry_min_seconds": 1, "retry_max_seconds": 30},
    "limits": {"requests_per_minute": 0, "shorts_per_day": 0},
}


class Disk:
    """A separate file system for a folder, which can be filled. Requires root."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder, self._size = folder, f"size={megabytes}m"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"{self._size},mode=700", "tmpfs", str(folder)], check=True
        )

    def fill(self) -> None:
        """Leave no free space."""
        free = subprocess.run(
            ["df", "--block-size=1024", "--output=used", str(self._folder)],
            check=True,
            capture_output=True,
            text=True,
        )
        used = int(free.stdout.split()[-1])
        self._remount(f"size={used + 64}k")

    def empty(self) -> None:
        """Restore the original size."""
        self._remount(self._size)

    def _remount(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{size}", str(self._folder)], check=True)


class Stack:
    """Starts on construction; `close` stops it."""

    def __init__(self, folder: Path, roots: Roots, *, disks: bool) -> None:
        self.folder, self.roots = folder, roots
        data = folder / "data"
        self.spools = Disk(data / "agents", SPOOL_MEGABYTES) if disks else None
        self.store_disk = Disk(data / "store", STORE_MEGABYTES) if disks else None
        nas_roots = [{"path": str(roots.marked), "marker": MARKER}, {"path": str(roots.plain)}]
        agent = {"nas_roots": nas_roots, "min_free_bytes": MIN_FREE_BYTES}
        broker = BrokerProcess(folder / "broker")
        self.proxies = {name: TcpProxy(broker.host_port) for name in ("api", "agent-1", "agent-2")}
        """Each process's proxy to the broker."""
        environs = {name: {"PUBSUB_EMULATOR_HOST": proxy.host_port} for name, proxy in self.proxies.items()}
        self.cluster = Cluster(
            folder,
            roots.marked,
            over={**OVER, "agent": agent},
            broker=broker,
            environ=environs["api"],
            each_environ={0: environs["agent-1"], 1: environs["agent-2"]},
        )
        self.cluster.observer.close()  # it lists every clip ten times a second: too much for this many clips
        self.data = data
        self.exits: Counter[str] = Counter()
        """Counts by `NAME CODE` of processes that exited."""
        self._closing = threading.Event()
        self._supervisors = [
            threading.Thread(
                target=self._supervise, args=(name, runs, start), name=f"supervise-{name}", daemon=True
            )
            for name, runs, start in self._parts()
        ]
        for supervisor in self._supervisors:
            supervisor.start()

    @property
    def agents(self) -> list[AgentNode]:
        return self.cluster.nodes

    def client(self, *, admin: bool = False, retries: Retries = PERSISTENT, timeout: float = 10.0) -> Client:
        """A client of the API."""
        key = self.cluster.client_key(admin=admin)
        return Client(self.cluster.url, key=key, retries=retries, timeout=timeout)

    def fork_servers(self) -> list[int]:
        return [pid for node in self.agents if node.runs for pid in children_of(node.pid) if alive(pid)]

    def cuts(self) -> list[int]:
        """The processes that each cut a clip."""
        return [pid for server in self.fork_servers() for pid in children_of(server) if alive(pid)]

    def ffmpegs(self) -> list[int]:
        return [pid for cut in self.cuts() for pid in children_of(cut) if alive(pid)]

    def close(self) -> None:
        """Stop everything."""
        self._closing.set()
        for supervisor in self._supervisors:
            supervisor.join(120)
        self.cluster.close()
        for proxy in self.proxies.values():
            proxy.close()

    def _parts(self) -> list[tuple[str, Callable[[], bool], Callable[[], int]]]:
        cluster = self.cluster
        found: list[tuple[str, Callable[[], bool], Callable[[], int]]] = [
            ("broker", lambda: cluster.broker.runs and alive(cluster.broker.pid), self._start_broker),
            ("api", lambda: alive(cluster.api_pid), self._start_api),
        ]
        for node in self.agents:
            found.append((node.name, partial(_runs, node), partial(_start_agent, node)))
        return found

    def _supervise(self, name: str, runs: Callable[[], bool], start: Callable[[], int]) -> None:
        while not self._closing.wait(SUPERVISE_SECONDS):
            if runs():
                continue
            if self._closing.wait(RESTART_SECONDS):
                return
            try:
                self.exits[f"{name} {start()}"] += 1
            except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
                # Another fault prevented the start. Retry, as systemd would.
                self.exits[f"{name} did not start"] += 1
                print(f"{time.strftime('%H:%M:%S')} {name} did not start: {str(error)[:300]}", flush=True)

    def _start_broker(self) -> int:
        code = (
            self.cluster.broker.stop() if self.cluster.broker.runs else 0
        )  # it has exited: only reads the code
        self.cluster.broker.start()
        return code

    def _start_api(self) -> int:
        code = self.cluster.reap_api()
        self.cluster.start_api()
        return code


def _runs(node: AgentNode) -> bool:
    return node.runs


def _start_agent(node: AgentNode) -> int:
    code = node.wait()
    node.launch()
    return code
