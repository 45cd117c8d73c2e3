"""The whole local stack for tests: real processes, HTTP, signals."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import requests
import yaml

from clipping.store.layout import BESIDE
from tests.support.held import HELD_SECONDS, HeldCut, hold_cut
from tests.support.procs import children_of
from tests.support.waiting import eventually

START_SECONDS = 90.0
HTTP_SECONDS = 10.0
QUICK = {
    "pubsub": {"lease_seconds": 10, "retry_min_seconds": 0, "retry_max_seconds": 1},
    "limits": {"requests_per_minute": 0},
    "cutting": {"stall_seconds": HELD_SECONDS},
}
"""Redelivery within seconds, so that tests that kill agents need not wait a minute; and no limit on status
requests."""


class RunningStack:
    """A running `clipping up` on a data folder."""

    def __init__(
        self, data: Path, nas_root: Path, *, agents: int = 1, options: Sequence[str] = (), **over: Any
    ) -> None:
        self.data, self.nas_root, self._agents = data, nas_root, agents
        self.options = options
        """Further arguments of the next start."""
        self._overlay = data.with_suffix(".overlay.yaml")
        self._overlay.write_text(yaml.safe_dump({**QUICK, **over}))
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "clipping.cli", "up", "--json", "--port", "0"]
        command += ["--agents", str(self._agents), *self.options]
        command += [
            "--data",
            str(self.data),
            "--nas-root",
            str(self.nas_root),
            "--config",
            str(self._overlay),
        ]
        with self.data.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if readable else b""
        if not line:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the stack did not start: " + self.logs())
        self.where: dict[str, Any] = json.loads(line)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.where['api_key']}"

    def stop(self, timeout: float = 60.0) -> int:
        """Stop gracefully. Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_end(timeout)

    def wait_end(self, timeout: float = 60.0) -> int:
        """Wait for an exit that was caused otherwise. Returns the exit code."""
        self.session.close()
        try:
            return self.process.wait(timeout)
        finally:
            self._end()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.session.close()
        self.process.kill()
        self.process.wait()
        self._end()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def pid(self, name: str) -> int:
        """The current process id of `api`, `broker` or `agent-1`: the stack restarts them."""
        needle = f"{self.data}/broker" if name == "broker" else f"{self.data}/run/{name}.yaml"
        return eventually(lambda: _pid_of(needle, self.process.pid), f"the process {name}")

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to one of its processes. Returns its process id."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Kill one of its processes, and have it restarted only afterwards."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            self.signal(name, signal.SIGKILL)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Let one of its processes accept connections, and answer none."""
        pid = self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def further_keys(self, *keys: dict[str, Any]) -> Iterator[None]:
        """Let the API know further keys, until they are revoked: it restarts twice.

        Each is a row of `api.keys` with `key` in place of its hash.
        """
        path = self.data / "run" / "api.yaml"
        before = path.read_text()
        tree = yaml.safe_load(before)
        for row in keys:
            hashed = hashlib.sha256(row["key"].encode()).hexdigest()
            named = {name: value for name, value in row.items() if name != "key"}
            tree["api"]["keys"].append({**named, "sha256": hashed})
        try:
            path.write_text(yaml.safe_dump(tree))
            self.restart_api()
            yield
        finally:
            path.write_text(before)
            self.restart_api()

    def restart_api(self) -> None:
        pid = self.signal("api", signal.SIGKILL)
        eventually(lambda: _pid_of(f"{self.data}/run/api.yaml", self.process.pid) not in (None, pid))
        eventually(self._answers, "the API", within=START_SECONDS, logs=self.logs)

    def _answers(self) -> bool:
        try:
            return self.session.get(f"{self.where['api_url']}/health", timeout=HTTP_SECONDS).ok
        except requests.ConnectionError:
            return False

    def post(self, **fields: Any) -> requests.Response:
        body = {"hand_id": "hand-1", **fields}
        return self.session.post(f"{self.where['api_url']}/v1/clip/request", json=body, timeout=HTTP_SECONDS)

    def ask(self, **fields: Any) -> str:
        """Post a request, which must be accepted. Returns its id."""
        answer = self.post(**fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["request_id"])

    def ask_reel(self, *parts: dict[str, Any], **fields: Any) -> str:
        """Post a request for a reel of files in the NAS root (`name`); its id."""
        clips = []
        for part in parts:
            rest = {key: value for key, value in part.items() if key != "name"}
            clips.append({"nas_video_path": str(self.nas_root / part["name"]), **rest})
        url, body = f"{self.where['api_url']}/v1/reel/request", {"reel_id": "best", "clips": clips, **fields}
        answer = self.session.post(url, json=body, timeout=HTTP_SECONDS)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["request_id"])

    def url_of(self, request_id: str) -> str:
        """The route of a clip or reel."""
        return f"{self.where['api_url']}/v1/{request_id.partition('-')[0]}/{request_id}"

    def status(self, request_id: str) -> dict[str, Any]:
        answer = self.session.get(f"{self.url_of(request_id)}/status", timeout=HTTP_SECONDS)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def wait(self, request_id: str, *wanted: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the status is one of `wanted` (default: any final one). The API may be down
        meanwhile."""
        states = wanted or ("completed", "failed", "cancelled")

        def reached() -> dict[str, Any] | None:
            try:
                status = self.status(request_id)
            except requests.ConnectionError:
                return None
            return status if status["status"] in states else None

        return eventually(
            reached, f"{request_id} to be {' or '.join(states)}", within=timeout, logs=self.logs
        )

    def spool(self) -> list[Path]:
        return list((self.data / "agents" / "agent-1" / "spool").iterdir())

    def hold_cut(self, request_id: str = "") -> HeldCut:
        """Wait until the first agent writes the clip (default: any), and freeze (SIGSTOP) its cut."""
        spool = self.data / "agents" / "agent-1" / "spool"
        return hold_cut(self.pid("agent-1"), spool / request_id, logs=self.logs)

    def objects(self, request_id: str) -> list[Path]:
        """A request's clips in the store's folder."""
        found = (self.data / "store").rglob(f"{request_id}.*")
        beside = (".json", *BESIDE.values())
        return [path for path in found if path.is_file() and not path.name.endswith(beside)]

    def logs(self) -> str:
        """The end of every process's log, for the message of a failed test."""
        files = [self.data.with_suffix(".log"), *sorted((self.data / "logs").glob("*.log"))]
        return "".join(
            f"\n--- {f.name}\n{f.read_text(errors='replace')[-3000:]}" for f in files if f.exists()
        )


def _pid_of(needle: str, parent: int) -> int | None:
    for pid in children_of(parent):
        try:
            if needle.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        except OSError:
            continue
    return None
