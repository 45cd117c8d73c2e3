"""A cut that a test freezes, so that tests do not depend on the duration of a cut."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.support.procs import descendants_of, has_open
from tests.support.waiting import eventually

HELD_SECONDS = 300
"""`cutting.stall_seconds` for tests that hold cuts: a held cut must not be killed for lack of progress."""


class HeldCut:
    """The processes of a cut, frozen until `release`. They can be killed meanwhile."""

    def __init__(self, group: int) -> None:
        self.group = group
        """The process group. Its leader is the cutting process."""
        os.killpg(group, signal.SIGSTOP)

    def release(self) -> None:
        """Resume the cut."""
        os.killpg(self.group, signal.SIGCONT)


def hold_cut(agent: int, folder: Path, *, logs: Callable[[], str] | None = None) -> HeldCut:
    """Wait until a descendant of `agent` writes into the clip's folder, and freeze (SIGSTOP) its cut.

    The test then affects a running cut, however fast the machine is.
    """
    writer: int = eventually(
        lambda: next((pid for pid in descendants_of(agent) if has_open(pid, folder)), None),
        f"a cut into {folder}",
        every=0.005,
        logs=logs,
    )
    return HeldCut(os.getpgid(writer))
