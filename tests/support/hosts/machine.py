"""Whether this machine can boot others at all."""

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
    """What this machine lacks to boot hosts; None when it can."""
    if os.geteuid() != 0:
        return "only root can boot hosts"
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            return f"{program} is not installed (package {package})"
    if cgroup2() is None:
        return "there is no cgroup2 here"
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
    return f"namespaces or overlays are not allowed here: {done.stderr.strip()}" if done.returncode else None


@cache
def cgroup2() -> Path | None:
    """Where cgroup2 is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(target)
    return None
