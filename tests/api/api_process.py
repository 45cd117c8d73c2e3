"""The API as a process of its own, to be called, killed and restarted by tests."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml
from sqlalchemy import func
from sqlalchemy import select as sql_select

from api.db import schema
from api.db.engine import Database
from api.db.tables import Base, ChangeCounter
from clipping.bus.provision import provision
from clipping.bus.publisher import Publisher
from clipping.bus.topology import topology
from clipping.config import Config, overlay, validate
from clipping.contract.messages import CompletionMessage, ProgressMessage, kind_of
from tests.support.waiting import eventually

START_SECONDS = 60.0
STOP_SECONDS = 30.0
HTTP_SECONDS = 30.0

CLIENT, STRANGER, ADMIN = "client-key", "stranger-key", "admin-key"


def key(name: str, role: str, secret: str) -> dict[str, str]:
    return {"name": name, "role": role, "sha256": hashlib.sha256(secret.encode()).hexdigest()}


@contextmanager
def emulator_host(host_port: str) -> Iterator[None]:
    """New connections of this process use this broker. Threads may share one broker, not use two."""
    before = os.environ.get("PUBSUB_EMULATOR_HOST")
    if before == host_port:
        yield  # many threads publish at once: none may take away what the others rely on
        return
    os.environ["PUBSUB_EMULATOR_HOST"] = host_port
    try:
        yield
    finally:
        del os.environ["PUBSUB_EMULATOR_HOST"]
        if before is not None:
            os.environ["PUBSUB_EMULATOR_HOST"] = before


class ApiProcess:
    """`clipping-api serve` in a folder, with a Pub/Sub project of its own. Starts on construction."""

    def __init__(self, folder: Path, *, emulator: str, over: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.emulator = emulator
        self.root = folder / "nas"
        self.root.mkdir(parents=True)
        base: dict[str, Any] = {
            "agent": {"nas_roots": [{"path": str(self.root)}]},
            "pubsub": {
                "project": f"test-{secrets.token_hex(6)}",
                "retry_min_seconds": 0,
                "retry_max_seconds": 1,
            },
            "storage": {"backend": "local", "path": str(folder / "store")},
            # Tests look every few milliseconds; those of the limit set one.
            "limits": {"requests_per_minute": 0},
            "api": {
                "port": 0,
                "database_url": f"sqlite:///{folder}/clips.db",
                "keys": [
                    key("web", "client", CLIENT),
                    key("other", "client", STRANGER),
                    key("ops", "admin", ADMIN),
                ],
            },
        }
        self.tree = overlay(base, over or {})
        self.config: Config = validate(self.tree)
        self.log = folder / "api.log"
        self.url = ""
        self.program = ["-m", "api.cli"]
        """What Python runs; a test may replace it before a start."""
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {CLIENT}"
        self._process: subprocess.Popen[bytes] | None = None
        self._publisher = Publisher(self.config.pubsub.project, timeout_seconds=10)
        with emulator_host(emulator):
            provision(self.config.pubsub.project, topology(self.config))
        if not self.config.api.database_url.startswith("sqlite:"):
            self.migrate()
        self.start()

    def migrate(self) -> None:
        """What `clipping-api migrate` does; SQLite is brought up to date by the start."""
        with self.database() as database:
            schema.migrate(database)

    def start(self) -> None:
        """Run it, and wait until it listens."""
        path = self.folder / "api.yaml"
        path.write_text(yaml.safe_dump(self.tree))
        command = [sys.executable, *self.program, "serve", "--config", str(path), "--json"]
        environ = {**os.environ, "PUBSUB_EMULATOR_HOST": self.emulator, "GRPC_ENABLE_FORK_SUPPORT": "0"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environ)
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            self.kill()
            raise AssertionError(f"the API did not start: {self.log.read_text()[-2000:]}")
        self.url = json.loads(line)["url"]
        # The port is picked once; a restarted API is found under the same address.
        self.tree["api"] |= {"port": int(self.url.rpartition(":")[2]), "public_url": self.url}
        self.config = validate(self.tree)

    @property
    def pid(self) -> int:
        assert self._process is not None, "the API is not running"
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        """Stop it if it runs, and let go of everything."""
        if self._process is not None:
            self.stop()
        self.session.close()
        self._publisher.close()

    def _end(self, number: int) -> int:
        assert self._process is not None, "the API is not running"
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Until it has ended; the exit code."""
        process, self._process = self._process, None
        assert process is not None, "the API is not running"
        assert process.stdout is not None
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise
        finally:
            process.stdout.close()

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=HTTP_SECONDS, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.session.post(self.url + path, timeout=HTTP_SECONDS, **options)

    def request(self, **over: Any) -> requests.Response:
        """A good clip request, or one made bad by `over` (a field of None is left out)."""
        body = {
            "hand_id": "hand-1",
            "nas_video_path": f"{self.root}/table.mp4",
            "start_seconds": 1,
            "end_seconds": 31,
            **over,
        }
        return self.post("/v1/clip/request", json={name: v for name, v in body.items() if v is not None})

    def part(self, start: float = 0, end: float = 10, **more: Any) -> dict[str, Any]:
        """A good part of a reel."""
        return {
            "nas_video_path": f"{self.root}/table.mp4",
            "start_seconds": start,
            "end_seconds": end,
            **more,
        }

    def request_reel(self, **over: Any) -> requests.Response:
        """As `request`, for a reel of two parts."""
        body = {"reel_id": "reel-1", "clips": [self.part(), self.part(20, 30)], **over}
        return self.post("/v1/reel/request", json={name: v for name, v in body.items() if v is not None})

    def status(self, request_id: str) -> dict[str, Any]:
        answer = self.get(f"/v1/{kind_of(request_id)}/{request_id}/status")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait_for_status(self, request_id: str, status: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            found = self.status(request_id)
            return found if found["status"] == status else None

        return eventually(reached)

    def send(self, message: CompletionMessage | ProgressMessage) -> None:
        """Publish what an agent would."""
        self.send_all([message])

    def send_all(self, messages: Sequence[CompletionMessage | ProgressMessage]) -> None:
        """Publish messages of one kind in one call, so that they wait together."""
        with emulator_host(self.emulator):
            self._publisher.publish_all(self._topic(messages[0]), [(each.to_json(), {}) for each in messages])

    def publish(self, topic: str, data: bytes, **attributes: str) -> None:
        with emulator_host(self.emulator):
            self._publisher.publish(topic, data, attributes)

    def _topic(self, message: CompletionMessage | ProgressMessage) -> str:
        bus = self.config.pubsub
        return bus.complete_topic if isinstance(message, CompletionMessage) else bus.progress_topic

    @contextmanager
    def database(self) -> Iterator[Database]:
        database = Database(self.config.api.database_url, connections=2)
        try:
            yield database
        finally:
            database.close()

    def counts(self) -> dict[str, int]:
        """How many rows each table has, but for the counter of changes, which is always one."""
        with self.database() as database, database.read() as session:
            return {
                name: session.scalar(sql_select(func.count()).select_from(table)) or 0
                for name, table in Base.metadata.tables.items()
                if name != ChangeCounter.__tablename__
            }
