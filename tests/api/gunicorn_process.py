"""The API under gunicorn, with several workers: a process to be called, killed and restarted by tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import requests
import yaml

from tests.api.api_process import CLIENT, STOP_SECONDS, ApiProcess
from tests.support.stack import children_of
from tests.support.waiting import eventually


class GunicornProcess:
    """`gunicorn --config python:api.gunicorn_settings` beside an `ApiProcess`, with its configuration."""

    def __init__(self, like: ApiProcess, folder: Path, *, workers: int, **api: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        tree = {**like.tree, "api": {**like.tree["api"], "port": port, "public_url": self.url, **api}}
        self.log = folder / "gunicorn.log"
        file = folder / "gunicorn.yaml"
        file.write_text(yaml.safe_dump(tree))
        self._command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn_settings"]
        self._command += ["--workers", str(workers)]
        self._workers = workers
        self._environ = {**os.environ, "CLIPPING_CONFIG": str(file), "PUBSUB_EMULATOR_HOST": like.emulator}
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {CLIENT}"
        self.start()

    def start(self) -> None:
        """Run it, and wait until all workers serve."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environ, stderr=log)
        began = self.log.read_text().count("api.worker_ready")
        try:
            eventually(
                lambda: (
                    self.log.read_text().count("api.worker_ready") >= began + self._workers
                    and self._answers()
                ),
                "gunicorn",
                within=100,  # eight processes, on a machine that is busy with other tests
                logs=self.tail,
            )
        except BaseException:
            self.kill()
            raise

    @property
    def worker_pids(self) -> list[int]:
        return children_of(self._process.pid)

    def kill(self) -> None:
        """kill -9, of all of it."""
        for pid in self.worker_pids:
            os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.session.close()
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def tail(self) -> str:
        """The end of its log."""
        return "\n" + self.log.read_text()[-3000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.tail()
        try:
            return requests.get(f"{self.url}/health", timeout=30).status_code == 200
        except requests.ConnectionError:
            return False
