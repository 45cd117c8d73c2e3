"""What systemd is told. Outside systemd every call does nothing.

sdnotify 0.3.2 drops a whole datagram that has a non-Latin-1 character, so texts are made ASCII and short.
"""

from __future__ import annotations

import sdnotify

MAX_STATUS = 200


class Systemd:
    """The notify socket of a Type=notify unit."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        if self._notifier.socket is not None:
            # The library blocks when nobody reads the socket.
            self._notifier.socket.settimeout(1.0)

    def ready(self) -> None:
        self._notifier.notify("READY=1")

    def stopping(self) -> None:
        self._notifier.notify("STOPPING=1")

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self._notifier.notify("STATUS=" + text.encode("ascii", "replace").decode()[:MAX_STATUS])
