"""The service, as systemd sees it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from installer.layout import COMMAND, HERE, UNIT
from installer.tell import InstallError, indented, must, run

STOP_SECONDS = 3600
"""A stop finishes the clips in hand; ha.drain_seconds may have been made long."""
_DOCTOR_SECONDS = 180


def is_running() -> bool:
    """Whether it runs or keeps trying to."""
    return run(["systemctl", "is-active", UNIT]).stdout.strip() in ("active", "activating", "reloading")


def take_notice() -> None:
    """Have systemd read the unit files again."""
    must(["systemctl", "daemon-reload"])


def restart() -> None:
    """Restart it and wait until it is ready. Raises `InstallError` with the journal's last lines."""
    done = run(["systemctl", "restart", UNIT], timeout=STOP_SECONDS)
    if done.returncode != 0:
        journal = run(["journalctl", "--unit", UNIT, "--lines", "15", "--no-pager", "--output", "cat"])
        raise InstallError(f"the service did not start:\n{indented(journal)}")


def stop_for_good() -> None:
    """Stop it, and don't start it at boot."""
    must(["systemctl", "disable", "--quiet", "--now", UNIT], timeout=STOP_SECONDS)


def ask(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What that version's `clipping-agent` says, run as the service would be."""
    wrapper = COMMAND if COMMAND.exists() else HERE / COMMAND.name
    environ = {**os.environ, "CLIPPING_AGENT_PROGRAM": str(program)}
    return run([wrapper, *arguments], timeout=_DOCTOR_SECONDS, environ=environ)
