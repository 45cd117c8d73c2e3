"""The faults, and how each is healed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.soak.stack import Disk, Stack
from clipping.client.failures import ClientError
from tests.support.agent_node import AgentNode
from tests.support.hung_mount import HungMount
from tests.support.procs import alive

Heal = Callable[[], None]
FREEZE_SECONDS, ROOT_SECONDS, DISK_SECONDS, KEY_SECONDS, DATABASE_SECONDS = 20.0, 15.0, 15.0, 20.0, 8.0
PROXY_SECONDS = 15.0
TARGET_SECONDS = 6.0
"""How long a fault waits for a short-lived process."""


def nothing() -> None:
    """Nothing to heal: the supervisor restarts the process."""


@dataclass(frozen=True)
class Fault:
    """`begin` injects the fault and returns a function that heals it, or None without a target."""

    name: str
    weight: int
    target: str
    """The affected component: two faults of one target never overlap."""
    seconds: float
    """Seconds until it is healed."""
    begin: Callable[[Stack, random.Random], Heal | None]


def leader(stack: Stack) -> AgentNode | None:
    return next((node for node in stack.agents if node.runs and node.leads()), None)


def _standby(stack: Stack) -> AgentNode | None:
    leads = leader(stack)
    return next(
        (node for node in stack.agents if node.runs and leads is not None and node is not leads), None
    )


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _agent(find: Callable[[Stack], AgentNode | None], number: signal.Signals) -> Callable[..., Heal | None]:
    def begin(stack: Stack, _: random.Random) -> Heal | None:
        node = find(stack)
        if node is None or not _send(node.pid, number):
            return None
        return _resume(node.pid) if number is signal.SIGSTOP else nothing

    return begin


def _resume(pid: int) -> Heal:
    def heal() -> None:
        _send(pid, signal.SIGCONT)

    return heal


def _server(name: str, number: signal.Signals) -> Callable[..., Heal | None]:
    """The API or the broker."""

    def begin(stack: Stack, _: random.Random) -> Heal | None:
        cluster = stack.cluster
        if name == "broker" and not cluster.broker.runs:
            return None
        pid = cluster.broker.pid if name == "broker" else cluster.api_pid
        if not alive(pid) or not _send(pid, number):
            return None
        return _resume(pid) if number is signal.SIGSTOP else nothing

    return begin


def _child(find: Callable[[Stack], list[int]], number: signal.Signals) -> Callable[..., Heal | None]:
    """One of the agents' child processes, as soon as there is one."""

    def begin(stack: Stack, rng: random.Random) -> Heal | None:
        until = time.monotonic() + TARGET_SECONDS
        while time.monotonic() < until:
            found = find(stack)
            if found:
                pid = rng.choice(found)
                if _send(pid, number):
                    return _resume(pid) if number is signal.SIGSTOP else nothing
            time.sleep(0.01)
        return None

    return begin


def _root_missing(stack: Stack, rng: random.Random) -> Heal:
    """Like an unplugged NAS: the folder is missing."""
    root = rng.choice(stack.roots.all)
    away = root.with_name(f"{root.name}.away")
    root.rename(away)

    def heal() -> None:
        away.rename(root)

    return heal


def _root_empty(stack: Stack, rng: random.Random) -> Heal:
    """Like a missing mount: the folder is empty."""
    root = rng.choice(stack.roots.all)
    away = root.with_name(f"{root.name}.away")
    root.rename(away)
    root.mkdir()

    def heal() -> None:
        root.rmdir()
        away.rename(root)

    return heal


def _root_unreadable(stack: Stack, rng: random.Random) -> Heal:
    root = rng.choice(stack.roots.all)
    root.chmod(0)
    return lambda: root.chmod(0o755)


def _root_hangs(stack: Stack, rng: random.Random) -> Heal | None:
    try:
        mount = HungMount(rng.choice(stack.roots.all))
    except OSError:
        return None
    return mount.close


def _roots_missing(stack: Stack, _: random.Random) -> Heal:
    """The whole NAS: both roots are missing."""
    moved = [(root, root.with_name(f"{root.name}.away")) for root in stack.roots.all]
    for root, away in moved:
        root.rename(away)

    def heal() -> None:
        for root, away in moved:
            away.rename(root)

    return heal


def _pubsub_unreachable(of: str, *, hangs: bool) -> Callable[..., Heal | None]:
    """The connection of the leader or the API to Pub/Sub is refused, or hangs."""

    def begin(stack: Stack, _: random.Random) -> Heal | None:
        node = leader(stack)
        name = "api" if of == "api" else node.name if node is not None else None
        if name is None:
            return None
        proxy = stack.proxies[name]
        proxy.hang() if hangs else proxy.refuse()
        return proxy.restore

    return begin


def _full(find: Callable[[Stack], Disk | None]) -> Callable[..., Heal | None]:
    def begin(stack: Stack, _: random.Random) -> Heal | None:
        disk = find(stack)
        if disk is None:
            return None
        try:
            disk.fill()
        except subprocess.CalledProcessError:
            return None  # the used space grew meanwhile
        return disk.empty

    return begin


def _key_unreadable(stack: Stack, rng: random.Random) -> Heal:
    """Also kills the leader, so that the next leader has to read the key."""
    key = stack.data / "store" / "signing.key"
    key.chmod(0)
    _agent(leader, signal.SIGKILL)(stack, rng)
    return lambda: key.chmod(0o600)


def _database_locked(stack: Stack, _: random.Random) -> Heal | None:
    database = sqlite3.connect(
        stack.data / "api" / "clipping.db", timeout=5, isolation_level=None, check_same_thread=False
    )
    try:
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        database.close()
        return None

    def heal() -> None:
        database.execute("ROLLBACK")
        database.close()

    return heal


def _failover(stack: Stack, _: random.Random) -> Heal | None:
    """A planned failover away from the leader, without waiting for the response."""
    node = leader(stack)
    if node is None:
        return None

    def ask() -> None:
        try:
            with stack.client(admin=True) as admin:
                admin.failover(from_agent=node.name, wait_seconds=0)
        except ClientError:
            pass  # rejected, because the other agent can't lead now; or the API is unavailable

    threading.Thread(target=ask, name="failover", daemon=True).start()
    return nothing


FAULTS = (
    Fault("kill leader", 3, "agent", 0, _agent(leader, signal.SIGKILL)),
    Fault("kill standby", 1, "agent", 0, _agent(_standby, signal.SIGKILL)),
    Fault("kill API", 2, "api", 0, _server("api", signal.SIGKILL)),
    Fault("kill broker", 2, "broker", 0, _server("broker", signal.SIGKILL)),
    Fault("kill cutting process", 2, "cut", 0, _child(Stack.cuts, signal.SIGKILL)),
    Fault("kill ffmpeg", 2, "ffmpeg", 0, _child(Stack.ffmpegs, signal.SIGKILL)),
    Fault("kill fork server", 2, "server", 0, _child(Stack.fork_servers, signal.SIGKILL)),
    Fault("terminate leader", 1, "agent", 0, _agent(leader, signal.SIGTERM)),
    Fault("terminate API", 1, "api", 0, _server("api", signal.SIGTERM)),
    Fault("freeze leader", 3, "agent", FREEZE_SECONDS, _agent(leader, signal.SIGSTOP)),
    Fault("freeze standby", 1, "agent", FREEZE_SECONDS, _agent(_standby, signal.SIGSTOP)),
    Fault("freeze API", 1, "api", FREEZE_SECONDS, _server("api", signal.SIGSTOP)),
    Fault("freeze broker", 1, "broker", FREEZE_SECONDS, _server("broker", signal.SIGSTOP)),
    Fault("freeze cutting process", 1, "cut", FREEZE_SECONDS, _child(Stack.cuts, signal.SIGSTOP)),
    Fault("freeze ffmpeg", 1, "ffmpeg", FREEZE_SECONDS, _child(Stack.ffmpegs, signal.SIGSTOP)),
    Fault(
        "leader cut off from Pub/Sub", 1, "proxy", PROXY_SECONDS, _pubsub_unreachable("leader", hangs=False)
    ),
    Fault(
        "leader's Pub/Sub connection hangs",
        1,
        "proxy",
        PROXY_SECONDS,
        _pubsub_unreachable("leader", hangs=True),
    ),
    Fault("API cut off from Pub/Sub", 1, "proxy", PROXY_SECONDS, _pubsub_unreachable("api", hangs=False)),
    Fault(
        "API's Pub/Sub connection hangs", 1, "proxy", PROXY_SECONDS, _pubsub_unreachable("api", hangs=True)
    ),
    Fault("both roots missing", 1, "root", ROOT_SECONDS, _roots_missing),
    Fault("root missing", 2, "root", ROOT_SECONDS, _root_missing),
    Fault("root empty", 2, "root", ROOT_SECONDS, _root_empty),
    Fault("root unreadable", 1, "root", ROOT_SECONDS, _root_unreadable),
    Fault("root hangs", 2, "root", ROOT_SECONDS, _root_hangs),
    Fault("store full", 2, "store", DISK_SECONDS, _full(lambda stack: stack.store_disk)),
    Fault("spool full", 1, "spool", DISK_SECONDS, _full(lambda stack: stack.spools)),
    Fault("signing key unreadable", 1, "key", KEY_SECONDS, _key_unreadable),
    Fault("database locked", 1, "database", DATABASE_SECONDS, _database_locked),
    Fault("planned failover", 2, "agent", 0, _failover),
)


class FaultInjector:
    """Injects faults in an order determined by a seed, and heals each after its duration."""

    def __init__(self, stack: Stack, rng: random.Random, log: Callable[[str], None]) -> None:
        self._stack, self._rng, self._log = stack, rng, log
        self._deck: list[Fault] = []
        self._open: list[tuple[float, Fault, Heal]] = []
        self.done: dict[str, int] = {}
        self.skipped = 0

    def inject(self) -> None:
        """Inject the next fault whose target is healthy."""
        for _ in range(3 * len(FAULTS)):
            fault = self._draw()
            if fault.target not in {other.target for _, other, _ in self._open}:
                break
        else:
            return
        heal = fault.begin(self._stack, self._rng)
        if heal is None:
            self.skipped += 1
            self._log(f"{fault.name}: no target")
            return
        self._log(fault.name)
        self.done[fault.name] = self.done.get(fault.name, 0) + 1
        if fault.seconds:
            self._open.append((time.monotonic() + fault.seconds, fault, heal))

    def heal(self, *, everything: bool = False) -> None:
        """Heal the faults that are due, or all."""
        now = time.monotonic()
        for entry in list(self._open):
            due, fault, heal = entry
            if everything or due <= now:
                self._open.remove(entry)
                heal()
                self._log(f"healed: {fault.name}")

    def _draw(self) -> Fault:
        if not self._deck:
            self._deck = [fault for fault in FAULTS for _ in range(fault.weight)]
            self._rng.shuffle(self._deck)
        return self._deck.pop()
