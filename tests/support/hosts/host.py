"""A host that tests boot, run commands on and power off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.hosts.lan import Lan, Member
from tests.support.hosts.machine import cgroup2
from tests.support.waiting import eventually

BOOT_SECONDS = 120.0
DOWN_SECONDS = 60.0

# systemd sees only a cgroup2 hierarchy, as on a stock Debian, whatever this machine has.
_MOUNTS = """
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t overlay overlay -o "$OVERLAY" "$ROOT"
exec systemd-nspawn --quiet --boot --directory="$ROOT" --machine="$NAME" --hostname="$NAME" \
    --register=no --keep-unit --capability=all --resolv-conf=off --timezone=off --link-journal=no \
    --network-namespace-path="/run/netns/$NAMESPACE" "$@"
"""
_BOOT = """
echo 0 >"$CGROUP/cgroup.procs"
exec unshare --mount --propagation private sh -ec "$MOUNTS" sh "$@"
"""
_ENTER = """
echo 0 >"$1/cgroup.procs"; leader=$2; shift 2
exec nsenter --target "$leader" --mount --uts --ipc --pid --cgroup --net --root --wd \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    SYSTEMD_PAGER= "$@"
"""


class Host:
    """A host on `lan`. Its disk consists of `layers` (the first on top) with `folder` as the top layer.

    `shares` maps paths on the host to read-only folders of this machine.
    """

    def __init__(
        self,
        lan: Lan,
        name: str,
        layers: Sequence[Path],
        folder: Path,
        *,
        shares: Mapping[str, Path] | None = None,
    ) -> None:
        self.name = name
        self.member: Member = lan.join(name)
        self.disk = folder / "upper"
        """The difference from the layers. Read it only while the host is off."""
        self._lan, self._layers, self._folder, self._shares = lan, layers, folder, shares or {}
        self._nspawn: subprocess.Popen[bytes] | None = None
        for each in ("upper/etc", "work", "root"):
            (folder / each).mkdir(parents=True)
        (self.disk / "etc" / "hostname").write_text(f"{name}\n")
        cgroups = cgroup2()
        assert cgroups is not None
        self._cgroup = cgroups / self.member.namespace

    @property
    def address(self) -> str:
        return self.member.address

    def boot(self) -> None:
        """Boot, and wait until systemd has started all units."""
        assert self._nspawn is None, f"{self.name} is on"
        (self._cgroup / "exec").mkdir(parents=True, exist_ok=True)
        lower = ":".join(str(layer) for layer in self._layers)
        environ = {
            **os.environ,
            "CGROUP": str(self._cgroup),
            "MOUNTS": _MOUNTS,
            "OVERLAY": f"lowerdir={lower},upperdir={self.disk},workdir={self._folder / 'work'}",
            "ROOT": str(self._folder / "root"),
            "NAME": self.name,
            "NAMESPACE": self.member.namespace,
            # nspawn's system call filter is for untrusted guests; a real machine has none.
            "SYSTEMD_SECCOMP": "0",
            "SYSTEMD_LOG_LEVEL": "warning",
        }
        shares = [f"--bind-ro={path}:{at}" for at, path in self._shares.items()]
        with (self._folder / "console.log").open("ab") as console:
            # Killed with this process, together with the guest.
            self._nspawn = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "sh", "-ec", _BOOT, "sh", *shares],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        eventually(self._is_up, f"{self.name} to boot", within=BOOT_SECONDS, every=0.1, logs=self._console)

    def _is_up(self) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, f"{self.name} did not boot: {self._console()}"
        if self._leader() is None:
            return False
        return self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded")

    def run(self, *command: str, timeout: float = 60.0, check: bool = True) -> str:
        """Run a command as root. Returns stdout and stderr. With `check`, fails unless its status is 0."""
        done = self.call(*command, timeout=timeout)
        assert not check or done.returncode == 0, (
            f"{self.name}: {command} returned {done.returncode}: {done.stdout}"
        )
        return done.stdout

    def call(self, *command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Like `run`, but returns the completed process."""
        leader = self._leader()
        assert leader is not None, f"{self.name} is off"
        return subprocess.run(
            ["sh", "-ec", _ENTER, "sh", str(self._cgroup / "exec"), str(leader), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def processes(self, unit: str) -> list[int]:
        """The process ids of a unit in this machine's namespace."""
        pids: list[int] = []
        for group in self._cgroup.rglob(unit):
            pids += map(int, (group / "cgroup.procs").read_text().split())
        return pids

    def path(self, inside: str) -> Path:
        """The path of a host's file on this machine. Symlinks in it would resolve to this machine's files."""
        return Path(f"/proc/{self._leader()}/root{inside}")

    def write(self, inside: str, content: str | bytes) -> None:
        """Write a file on the host."""
        self.path(inside).write_bytes(content.encode() if isinstance(content, str) else content)

    def journal(self, *options: str) -> str:
        """The agent's journal."""
        return self.run("journalctl", "--unit=clipping-agent", "--no-pager", "--output=cat", *options)

    def crash(self) -> None:
        """Simulate a power loss. The disk is kept."""
        leader = self._leader()
        if leader is not None:
            os.kill(leader, signal.SIGKILL)
        self._wait()

    def shut_down(self) -> None:
        """Shut down gracefully."""
        self.run("systemctl", "poweroff")
        self._wait()

    def __enter__(self) -> Self:
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        if self._nspawn is not None:
            self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        assert self._nspawn is not None
        try:
            self._nspawn.wait(DOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(DOWN_SECONDS)
        self._nspawn = None
        groups = [path for path in self._cgroup.rglob("*") if path.is_dir()]
        for group in [*sorted(groups, reverse=True), self._cgroup]:
            group.rmdir()

    def _leader(self) -> int | None:
        """The host's PID 1 in this machine's namespace."""
        assert self._nspawn is not None, f"{self.name} is off"
        pid = self._nspawn.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def _console(self) -> str:
        return "\n" + (self._folder / "console.log").read_text(errors="replace")[-3000:]
