"""Verifies that the agent can be installed on this machine."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installer.console import InstallError, must

OLDEST_SYSTEMD = 250
"""The first version with the unit's %d, the credentials directory."""
_LOCK = Path("/run/clipping-agent-install.lock")


def check(*, building: bool) -> None:
    """Raise `InstallError` with what is missing and how to install it."""
    if os.geteuid() != 0:
        raise InstallError("only root can install a service: use sudo")
    if not Path("/run/systemd/system").is_dir():
        raise InstallError(
            "this machine was not started by systemd; start the agent with `clipping-agent run` instead"
        )
    found = re.search(r"systemd (\d+)", must(["systemctl", "--version"]))
    if found is None or int(found[1]) < OLDEST_SYSTEMD:
        raise InstallError(
            f"systemd {OLDEST_SYSTEMD} or newer is required; found {found[1] if found else 'none'}"
        )
    if building and importlib.util.find_spec("ensurepip") is None:
        raise InstallError("Python's venv is missing: on Debian and Ubuntu, `apt install python3-venv`")


@contextmanager
def exclusive() -> Iterator[None]:
    """Run one installer at a time. Raises `InstallError` when another one is running."""
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InstallError("another installation is running on this machine") from None
        yield
