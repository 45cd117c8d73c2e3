"""A private network: a switch and members with addresses, whose connections tests can cut."""

from __future__ import annotations

import fcntl
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_MOST = 16
"""Maximum number of concurrent networks on one machine, one per test process."""
_NOWHERE = "02:00:00:00:de:ad"
"""An address of no member: frames to it are lost."""


@dataclass(frozen=True)
class Member:
    """A member of the network with its own address."""

    name: str
    namespace: str
    address: str


class Lan:
    """The switch, and this process's connection to it. A context manager that removes everything."""

    def __init__(self) -> None:
        self._number, self._lock = _claim()
        self.name = f"clt{self._number}"
        self._members: list[Member] = []
        self._clean()
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "add", "switch", "type", "bridge")
        _ip("-n", self.name, "link", "set", "switch", "up")
        _ip("link", "add", self.name, "type", "veth", "peer", "name", "tests", "netns", self.name)
        _ip("-n", self.name, "link", "set", "tests", "master", "switch", "up")
        _ip("addr", "add", f"{self._address(254)}/24", "dev", self.name)
        _ip("link", "set", self.name, "up")

    def join(self, name: str) -> Member:
        """Add a member: a network namespace connected to the switch."""
        number = len(self._members) + 1
        member = Member(name, f"{self.name}-{name}", self._address(number))
        port, inside = f"port{number}", "host0"
        _ip("netns", "add", member.namespace)
        _ip(
            "-n",
            self.name,
            "link",
            "add",
            port,
            "type",
            "veth",
            "peer",
            "name",
            inside,
            "netns",
            member.namespace,
        )
        _ip("-n", self.name, "link", "set", port, "master", "switch", "up")
        _ip("-n", member.namespace, "link", "set", "lo", "up")
        _ip("-n", member.namespace, "addr", "add", f"{member.address}/24", "dev", inside)
        _ip("-n", member.namespace, "link", "set", inside, "up")
        self._members.append(member)
        return member

    def cut(self, one: Member, other: Member) -> None:
        """Drop all packets between two members, silently. Both can still reach the other members."""
        for here, there in ((one, other), (other, one)):
            to = ("to", there.address, "lladdr", _NOWHERE, "nud", "permanent", "dev", "host0")
            _ip("-n", here.namespace, "neigh", "replace", *to[1:])

    def heal(self, one: Member, other: Member) -> None:
        """Undo `cut`."""
        for here, there in ((one, other), (other, one)):
            _ip("-n", here.namespace, "neigh", "del", there.address, "dev", "host0")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clean()
        os.close(self._lock)

    def _address(self, host: int) -> str:
        return f"10.213.{self._number}.{host}"

    def _clean(self) -> None:
        """Remove the network, including leftovers of a killed process."""
        # Delete the link first, while both ends exist: a namespace deletes its end asynchronously.
        if Path(f"/sys/class/net/{self.name}").exists():
            _ip("link", "del", self.name)
        for namespace in Path("/run/netns").glob(f"{self.name}*"):
            if namespace.name == self.name or namespace.name.startswith(f"{self.name}-"):
                _ip("netns", "del", namespace.name)


def _claim() -> tuple[int, int]:
    """Reserve the first free network number. Returns it with its open lock file."""
    for number in range(_MOST):
        lock = os.open(f"/run/lock/clipping-test-lan-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        return number, lock
    raise RuntimeError(f"{_MOST} test networks are in use on this machine")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
