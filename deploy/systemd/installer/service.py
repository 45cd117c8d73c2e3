"""Controls the service through systemd."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from installer.console import InstallError, indented, must, run
from installer.layout import COMMAND, HERE, UNIT

STOP_SECONDS = 3600
"""A stop finishes the clips in flight, which a configured `ha.drain_seconds` can make long."""
_DOCTOR_SECONDS = 180


def is_running() -> bool:
    """Whether the service is running, starting or restarting."""
    return run(["systemctl", "is-active", UNIT]).stdout.strip() in ("active", "activating", "reloading")


def reload_units() -> None:
    """Make systemd reload the unit files."""
    must(["systemctl", "daemon-reload"])


def restart() -> None:
    """Restart the service and wait until it is ready. Raises `InstallError` with the journal's last lines."""
    done = run(["systemctl", "restart", UNIT], timeout=STOP_SECONDS)
    if done.returncode != 0:
        journal = run(["journalctl", "--unit", UNIT, "--lines", "15", "--no-pager", "--output", "cat"])
        raise InstallError(f"the service did not start:\n{indented(journal)}")


def stop_and_disable() -> None:
    """Stop the service and disable its start at boot."""
    must(["systemctl", "disable", "--quiet", "--now", UNIT], timeout=STOP_SECONDS)


def run_as_service(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a version's `clipping-agent` with the service's user and sandbox."""
    wrapper = COMMAND if COMMAND.exists() else HERE / COMMAND.name
    environ = {**os.environ, "CLIPPING_AGENT_PROGRAM": str(program)}
    return run([wrapper, *arguments], timeout=_DOCTOR_SECONDS, environ=environ)
