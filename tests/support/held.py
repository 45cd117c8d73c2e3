"""A cut that a test stops while it is under way, so that no test depends on how long a cut takes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.procs import descendants_of, has_open
from tests.support.waiting import eventually

HELD_SECONDS = 300
"""`cutting.stall_seconds` where cuts are held: a held cut must not be ended because it makes no progress."""


class HeldCut:
    """The processes of one cut, stopped until `release`. They can be killed meanwhile."""

    def __init__(self, group: int) -> None:
        self.group = group
        """The group's leader is the cutting process."""
        os.killpg(group, signal.SIGSTOP)

    def release(self) -> None:
        """Let the cut go on."""
        os.killpg(self.group, signal.SIGCONT)


def hold_cut(agent: int, folder: Path, *, logs: Callable[[], str] | None = None) -> HeldCut:
    """Wait until a process below `agent` writes into the clip's folder, and stop (SIGSTOP) its cut there.

    What the test then does meets a cut that is under way, however fast the machine is.
    """
    writer: int = eventually(
        lambda: next((pid for pid in descendants_of(agent) if has_open(pid, folder)), None),
        f"a cut into {folder}",
        every=0.005,
        logs=logs,
    )
    return HeldCut(os.getpgid(writer))
