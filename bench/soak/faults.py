"""What breaks, and how it is healed."""

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
WAY_SECONDS = 15.0
TARGET_SECONDS = 6.0
"""How long a fault waits for a process that is not always there."""


def nothing() -> None:
    """There is nothing to heal: what was ended is started again by its keeper."""


@dataclass(frozen=True)
class Fault:
    """`begin` breaks something and returns how to heal it, or None when there was nothing to break."""

    name: str
    weight: int
    target: str
    """What it breaks: two faults of one target never overlap."""
    seconds: float
    """Until it is healed."""
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
        return _wake(node.pid) if number is signal.SIGSTOP else nothing

    return begin


def _wake(pid: int) -> Heal:
    def heal() -> None:
        _send(pid, signal.SIGCONT)

    return heal


def _part(name: str, number: signal.Signals) -> Callable[..., Heal | None]:
    """The API or the broker."""

    def begin(stack: Stack, _: random.Random) -> Heal | None:
        cluster = stack.cluster
        if name == "broker" and not cluster.broker.runs:
            return None
        pid = cluster.broker.pid if name == "broker" else cluster.api_pid
        if not alive(pid) or not _send(pid, number):
            return None
        return _wake(pid) if number is signal.SIGSTOP else nothing

    return begin


def _child(find: Callable[[Stack], list[int]], number: signal.Signals) -> Callable[..., Heal | None]:
    """One of the processes that do the work, as soon as there is one."""

    def begin(stack: Stack, dice: random.Random) -> Heal | None:
        until = time.monotonic() + TARGET_SECONDS
        while time.monotonic() < until:
            found = find(stack)
            if found:
                pid = dice.choice(found)
                if _send(pid, number):
                    return _wake(pid) if number is signal.SIGSTOP else nothing
            time.sleep(0.01)
        return None

    return begin


def _root_away(stack: Stack, dice: random.Random) -> Heal:
    """As a NAS that was unplugged: the folder is not there."""
    root = dice.choice(stack.roots.all)
    away = root.with_name(f"{root.name}.away")
    root.rename(away)

    def heal() -> None:
        away.rename(root)

    return heal


def _root_empty(stack: Stack, dice: random.Random) -> Heal:
    """As a mount that is missing: an empty folder."""
    root = dice.choice(stack.roots.all)
    away = root.with_name(f"{root.name}.away")
    root.rename(away)
    root.mkdir()

    def heal() -> None:
        root.rmdir()
        away.rename(root)

    return heal


def _root_unreadable(stack: Stack, dice: random.Random) -> Heal:
    root = dice.choice(stack.roots.all)
    root.chmod(0)
    return lambda: root.chmod(0o755)


def _root_hangs(stack: Stack, dice: random.Random) -> Heal | None:
    try:
        mount = HungMount(dice.choice(stack.roots.all))
    except OSError:
        return None
    return mount.close


def _roots_away(stack: Stack, _: random.Random) -> Heal:
    """The whole NAS."""
    moved = [(root, root.with_name(f"{root.name}.away")) for root in stack.roots.all]
    for root, away in moved:
        root.rename(away)

    def heal() -> None:
        for root, away in moved:
            away.rename(root)

    return heal


def _queue_out_of_reach(of: str, *, hangs: bool) -> Callable[..., Heal | None]:
    """The way to the queue `of` the leader or the API is cut, or swallows everything."""

    def begin(stack: Stack, _: random.Random) -> Heal | None:
        node = leader(stack)
        name = "api" if of == "api" else node.name if node is not None else None
        if name is None:
            return None
        way = stack.ways[name]
        way.hang() if hangs else way.refuse()
        return way.restore

    return begin


def _full(find: Callable[[Stack], Disk | None]) -> Callable[..., Heal | None]:
    def begin(stack: Stack, _: random.Random) -> Heal | None:
        disk = find(stack)
        if disk is None:
            return None
        try:
            disk.fill()
        except subprocess.CalledProcessError:
            return None  # it grew meanwhile
        return disk.empty

    return begin


def _key_unreadable(stack: Stack, dice: random.Random) -> Heal:
    """And the leader dies, so that whoever leads next has to read it."""
    key = stack.data / "store" / "signing.key"
    key.chmod(0)
    _agent(leader, signal.SIGKILL)(stack, dice)
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
    """Planned, away from the leader. The answer may take a while, and nothing waits for it."""
    node = leader(stack)
    if node is None:
        return None

    def ask() -> None:
        try:
            with stack.client(admin=True) as admin:
                admin.failover(from_agent=node.name, wait_seconds=0)
        except ClientError:
            pass  # refused, because the other agent can't lead now; or the API is away

    threading.Thread(target=ask, name="failover", daemon=True).start()
    return nothing


FAULTS = (
    Fault("kill leader", 3, "agent", 0, _agent(leader, signal.SIGKILL)),
    Fault("kill standby", 1, "agent", 0, _agent(_standby, signal.SIGKILL)),
    Fault("kill API", 2, "api", 0, _part("api", signal.SIGKILL)),
    Fault("kill broker", 2, "broker", 0, _part("broker", signal.SIGKILL)),
    Fault("kill cutting process", 2, "cut", 0, _child(Stack.cuts, signal.SIGKILL)),
    Fault("kill ffmpeg", 2, "ffmpeg", 0, _child(Stack.ffmpegs, signal.SIGKILL)),
    Fault("kill fork server", 2, "server", 0, _child(Stack.fork_servers, signal.SIGKILL)),
    Fault("terminate leader", 1, "agent", 0, _agent(leader, signal.SIGTERM)),
    Fault("terminate API", 1, "api", 0, _part("api", signal.SIGTERM)),
    Fault("freeze leader", 3, "agent", FREEZE_SECONDS, _agent(leader, signal.SIGSTOP)),
    Fault("freeze standby", 1, "agent", FREEZE_SECONDS, _agent(_standby, signal.SIGSTOP)),
    Fault("freeze API", 1, "api", FREEZE_SECONDS, _part("api", signal.SIGSTOP)),
    Fault("freeze broker", 1, "broker", FREEZE_SECONDS, _part("broker", signal.SIGSTOP)),
    Fault("freeze cutting process", 1, "cut", FREEZE_SECONDS, _child(Stack.cuts, signal.SIGSTOP)),
    Fault("freeze ffmpeg", 1, "ffmpeg", FREEZE_SECONDS, _child(Stack.ffmpegs, signal.SIGSTOP)),
    Fault("leader's way to the queue cut", 1, "way", WAY_SECONDS, _queue_out_of_reach("leader", hangs=False)),
    Fault(
        "leader's way to the queue hangs", 1, "way", WAY_SECONDS, _queue_out_of_reach("leader", hangs=True)
    ),
    Fault("API's way to the queue cut", 1, "way", WAY_SECONDS, _queue_out_of_reach("api", hangs=False)),
    Fault("API's way to the queue hangs", 1, "way", WAY_SECONDS, _queue_out_of_reach("api", hangs=True)),
    Fault("both roots away", 1, "root", ROOT_SECONDS, _roots_away),
    Fault("root away", 2, "root", ROOT_SECONDS, _root_away),
    Fault("root empty", 2, "root", ROOT_SECONDS, _root_empty),
    Fault("root unreadable", 1, "root", ROOT_SECONDS, _root_unreadable),
    Fault("root hangs", 2, "root", ROOT_SECONDS, _root_hangs),
    Fault("store full", 2, "store", DISK_SECONDS, _full(lambda stack: stack.store_disk)),
    Fault("spool full", 1, "spool", DISK_SECONDS, _full(lambda stack: stack.spools)),
    Fault("signing key unreadable", 1, "key", KEY_SECONDS, _key_unreadable),
    Fault("database locked", 1, "database", DATABASE_SECONDS, _database_locked),
    Fault("planned failover", 2, "agent", 0, _failover),
)


class Breaker:
    """Breaks one thing after the other, in an order that a seed decides, and heals each in its time."""

    def __init__(self, stack: Stack, dice: random.Random, log: Callable[[str], None]) -> None:
        self._stack, self._dice, self._log = stack, dice, log
        self._deck: list[Fault] = []
        self._open: list[tuple[float, Fault, Heal]] = []
        self.done: dict[str, int] = {}
        self.skipped = 0

    def strike(self) -> None:
        """The next fault whose target is whole."""
        for _ in range(3 * len(FAULTS)):
            fault = self._draw()
            if fault.target not in {other.target for _, other, _ in self._open}:
                break
        else:
            return
        heal = fault.begin(self._stack, self._dice)
        if heal is None:
            self.skipped += 1
            self._log(f"{fault.name}: nothing to break")
            return
        self._log(fault.name)
        self.done[fault.name] = self.done.get(fault.name, 0) + 1
        if fault.seconds:
            self._open.append((time.monotonic() + fault.seconds, fault, heal))

    def heal(self, *, everything: bool = False) -> None:
        """What is due; or all."""
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
            self._dice.shuffle(self._deck)
        return self._deck.pop()
