"""Whether this machine can have the agent at all."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.tell import InstallError, must

OLDEST_SYSTEMD = 250
"""The unit's %d, the folder of credentials, came with it."""
_LOCK = Path("/run/clipping-agent-install.lock")


def check(*, building: bool) -> None:
    """Raises `InstallError`, which says what is missing and how to get it."""
    if os.geteuid() != 0:
        raise InstallError("only root can install a service: use sudo")
    if not Path("/run/systemd/system").is_dir():
        raise InstallError(
            "this machine was not started by systemd; `clipping-agent run` works without a service"
        )
    found = re.search(r"systemd (\d+)", must(["systemctl", "--version"]))
    if found is None or int(found[1]) < OLDEST_SYSTEMD:
        raise InstallError(
            f"systemd {OLDEST_SYSTEMD} or newer is needed; here is {found[1] if found else 'another'}"
        )
    if building and importlib.util.find_spec("ensurepip") is None:
        raise InstallError("Python's venv is missing: on Debian and Ubuntu, `apt install python3-venv`")


@contextmanager
def alone() -> Iterator[None]:
    """One installer at a time. Raises `InstallError` when another one is at work."""
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InstallError("another installation is under way on this machine") from None
        yield
