"""The embedded broker as a process that tests kill and restart."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded.layout import free_port

START_SECONDS = 60.0
"""Timeout of a start, which takes well under a second on an idle machine."""
STOP_SECONDS = 30.0


class BrokerProcess:
    """`python -m embedded.broker` on a data folder. Starts on construction. A context manager."""

    def __init__(self, data: Path, *, port: int | None = None) -> None:
        self.data = data
        self.host_port = ""
        """The value for PUBSUB_EMULATOR_HOST."""
        self.certs_url = ""
        """The URL of the push tokens' certificates."""
        # Not port 0: while a killed broker is down, an outgoing connection could take such a port.
        self._port, self._certs_port = port or free_port(), free_port()
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def pid(self) -> int:
        """The running broker's process id."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def start(self) -> None:
        """Start it, on the previous ports if it ran before, and wait until it serves."""
        assert self._process is None, "the broker is running"
        command = [sys.executable, "-m", "embedded.broker", "--data", str(self.data), "--json"]
        command += ["--port", str(self._port), "--certs-port", str(self._certs_port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self._first_line())
        self.host_port, self.certs_url = ready["host_port"], ready["certs_url"]
        self._port = int(self.host_port.rpartition(":")[2])
        self._certs_port = int(self.certs_url.rpartition(":")[2].partition("/")[0])

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Send SIGTERM. Returns the exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Restart on the same data and ports. Kills it first if it is running."""
        if self._process is not None:
            self.kill()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()

    def _end(self, number: int) -> int:
        process = self._process
        assert process is not None, "the broker is not running"
        assert process.stdout is not None
        self._process = None
        process.send_signal(number)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise
        finally:
            process.stdout.close()
        return code

    def _first_line(self) -> str:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            readable, _, _ = select.select([process.stdout], [], [], 0.5)
            if readable:
                line = process.stdout.readline()
                if line:
                    return line
                break
        process.kill()
        code = process.wait(STOP_SECONDS)
        process.stdout.close()
        self._process = None
        raise RuntimeError(f"the broker did not start (exit code {code})")
