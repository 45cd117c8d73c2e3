"""An agent of a cluster, as a process that tests kill, freeze and restart."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.procs import state_of
from tests.support.waiting import eventually

START_SECONDS = 90.0
HTTP_SECONDS = 5.0


class AgentNode:
    """`clipping-agent run` with its own configuration. Only the test restarts it."""

    def __init__(self, name: str, tree: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> None:
        self.name, self.tree = name, tree
        self.config, self.log = folder / f"{name}.yaml", folder / f"{name}.log"
        self.state_dir = Path(tree["agent"]["state_dir"])
        self.url = f"http://127.0.0.1:{tree['health']['port']}"
        self._environ = {**os.environ, **environ}
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start without waiting."""
        self.config.write_text(yaml.safe_dump(self.tree))
        command = [sys.executable, "-m", "agent.cli", "run", "--json", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=self._environ, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Wait until it reports that it is ready."""
        process = self._running
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if readable else b""
        assert line, f"{self.name} did not start: {self.tail()}"

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._running.send_signal(number)

    def freeze(self) -> None:
        """Send SIGSTOP, and wait until every thread has stopped."""
        self.signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        eventually(
            lambda: all(state_of(int(task.name)) == "T" for task in tasks.iterdir()),
            f"{self.name} to stop",
            every=0.001,
        )

    def kill(self) -> None:
        """kill -9."""
        self._running.kill()
        self.wait()

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for the exit. Returns the exit code."""
        process = self._running
        code = process.wait(timeout)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def stop(self, timeout: float = 60.0) -> int:
        """Send SIGTERM, and SIGKILL after `timeout` seconds. Returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        finally:
            if self.runs:
                self.kill()

    def close(self) -> None:
        """Stop it if it is running, and close its pipe."""
        if self.runs:
            self.stop()
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `clipping-agent ARGUMENTS --config …`."""
        command = [sys.executable, "-m", "agent.cli", *arguments, "--config", str(self.config)]
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, timeout=90, check=False
        )

    def health(self) -> dict[str, Any] | None:
        """Its health; None when it does not respond."""
        answer = self._get("/health")
        body: dict[str, Any] | None = None if answer is None else answer.json()
        return body

    @property
    def role(self) -> str | None:
        health = self.health()
        return None if health is None else str(health["role"])

    def leads(self) -> bool:
        """Whether it is active with a valid lease."""
        answer = self._get("/health/active")
        return answer is not None and answer.status_code == 200

    def _get(self, path: str) -> requests.Response | None:
        """Its response; None without one. Retries on 429, which it returns above ten requests a second."""
        while True:
            try:
                answer = requests.get(self.url + path, timeout=HTTP_SECONDS)
            except requests.RequestException:
                return None
            if answer.status_code != 429:
                return answer
            time.sleep(0.2)

    def becomes(self, role: str, *, within: float = 60.0, logs: Callable[[], str] | None = None) -> None:
        eventually(
            lambda: self.role == role, f"{self.name} to be {role}", within=within, every=0.1, logs=logs
        )

    def spool(self) -> list[Path]:
        """The folders of the clips in flight."""
        return list((self.state_dir / "spool").iterdir())

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines for an event."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        found = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return [line for line in found if line["message"] == name]

    def tail(self, size: int = 4000) -> str:
        return f"\n--- {self.name}\n" + (
            self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""
        )
