"""What a job gets from the process that it runs in."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from agent.cutting.process.interruption import Interruption


@dataclass(frozen=True)
class Context:
    """The first argument of each function that runs as a job."""

    channel: socket.socket
    """To the daemon: progress goes out here. Only the process itself reads from it."""
    interruption: Interruption = field(default_factory=Interruption)
    """Set when the daemon interrupts the job. One that does not stop soon afterwards is killed."""
