"""Google's Pub/Sub emulator (Java), if it is installed: a second test target, and a rival in benchmarks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded.layout import free_port

VARIABLE = "CLIPPING_GOOGLE_PUBSUB_EMULATOR"
"""The environment variable with the emulator's path, if it is not on PATH."""

START_SECONDS = 180.0
STOP_SECONDS = 30.0

_PROGRAM = "cloud-pubsub-emulator"
_INSIDE_SDK = Path("platform/pubsub-emulator/bin") / _PROGRAM
_SDKS = ("/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/opt/google-cloud-sdk")


def find_google_emulator() -> Path | None:
    """The emulator's path, from the environment, PATH or the gcloud SDK; None if it is not installed."""
    if shutil.which("java") is None:
        return None
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    on_path = shutil.which(_PROGRAM)
    if on_path:
        return Path(on_path)
    gcloud = shutil.which("gcloud")
    sdks = [Path(gcloud).resolve().parent.parent] if gcloud else []
    for sdk in [*sdks, *map(Path, _SDKS), Path.home() / "google-cloud-sdk"]:
        if (sdk / _INSIDE_SDK).is_file():
            return sdk / _INSIDE_SDK
    return None


class GoogleEmulator:
    """The emulator on a free port. Starts on construction. A context manager."""

    def __init__(self, program: Path) -> None:
        port = free_port()
        self.host_port = f"127.0.0.1:{port}"
        # A new session, because the program is a shell script with the JVM as its child.
        self._process = subprocess.Popen(
            [str(program), "--host=127.0.0.1", f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_it_listens(port)

    @property
    def pid(self) -> int:
        """The process group of the script and its JVM."""
        return self._process.pid

    def stop(self) -> None:
        """Kill it. It persists no data."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_until_it_listens(self, port: int) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise RuntimeError("Google's emulator did not start")
