"""Detects whether this machine can boot hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
_REHEARSAL = """
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root
ip link add name clt-try type bridge && ip link del clt-try
"""


@cache
def missing() -> str | None:
    """The missing requirement for booting hosts; None if there is none."""
    if os.geteuid() != 0:
        return "only root can boot hosts"
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            return f"{program} is not installed (package {package})"
    if cgroup2() is None:
        return "cgroup2 is not mounted"
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("lower", "upper", "work", "root"):
            (Path(scratch) / name).mkdir()
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-ec", _REHEARSAL],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    return f"namespaces or overlays are not permitted: {done.stderr.strip()}" if done.returncode else None


@cache
def cgroup2() -> Path | None:
    """The mount point of cgroup2."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(target)
    return None
