"""One agent and a broker, driven through Pub/Sub as the API drives it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import yaml
from google.api_core.exceptions import DeadlineExceeded
from google.cloud import pubsub_v1

from clipping.bus.connection import subscriber_client
from clipping.bus.provision import provision
from clipping.bus.topology import topology
from clipping.config import validate
from clipping.contract.cluster import AgentRecord, agent_key, cancel_key
from clipping.contract.messages import (
    CompletionMessage,
    ProgressMessage,
    RequestMessage,
    parse_clip_request,
)
from clipping.contract.reel import ReelMessage, WorkMessage, parse_reel_request
from clipping.ids import new_reel_id, new_request_id
from clipping.store.local import LocalStore
from clipping.store.retention import keep_clips
from tests.support.broker import BrokerProcess
from tests.support.held import HELD_SECONDS, HeldCut, hold_cut
from tests.support.waiting import eventually

PROJECT = "clipping-local"
START_SECONDS = 60.0


class AgentProcess:
    """`clipping-agent run` with a broker, a store and a NAS folder of its own. `with` stops it."""

    def __init__(self, folder: Path, **over: Any) -> None:
        self.folder, self.nas = folder, folder / "nas"
        self.nas.mkdir(exist_ok=True)
        self.broker = BrokerProcess(folder / "broker")
        self._others = os.environ.get("PUBSUB_EMULATOR_HOST")
        os.environ["PUBSUB_EMULATOR_HOST"] = self.broker.host_port
        self.config = folder / "config.yaml"
        tree = self._tree() | over
        self.config.write_text(yaml.safe_dump(tree))
        self.completions: list[CompletionMessage] = []
        self._progress: list[ProgressMessage] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._publisher = pubsub_v1.PublisherClient()
        self._subscriber = subscriber_client()
        try:
            config = validate(tree)
            provision(PROJECT, topology(config))
            keep_clips(config, dry_run=False)
            self._watch("complete", "clipping-complete")
            self._watch("dead", "clipping-dead-letter")
            self._watch("progress", "clipping-progress")
            self.start()
        except BaseException:
            self.close()
            raise

    def _tree(self) -> dict[str, Any]:
        return {
            "agent": {
                "id": "nas-1",
                "state_dir": str(self.folder / "state"),
                "nas_roots": [{"path": str(self.nas)}],
            },
            "pubsub": {"lease_seconds": 10, "retry_min_seconds": 1, "retry_max_seconds": 2},
            "storage": {"path": str(self.folder / "store")},
            "cutting": {"stall_seconds": HELD_SECONDS},
            "health": {"host": "127.0.0.1", "port": 0},
            "ha": {"mode": "single"},
            # Nothing listens there: `doctor` on a busy machine must not reach another service.
            "api": {"public_url": "http://127.0.0.1:9"},
            "log": {"format": "json"},
        }

    def command(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """`clipping-agent ARGUMENTS --config …`, to its end."""
        command = [sys.executable, "-m", "agent.cli", *arguments, "--config", str(self.config)]
        return subprocess.run(
            command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=90, check=False
        )

    def start(self) -> None:
        command = [sys.executable, "-m", "agent.cli", "run", "--json", "--config", str(self.config)]
        with (self.folder / "agent.log").open("ab") as log:
            process = self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if readable else b""
        assert line, self.log()
        self.health_url = json.loads(line)["health_url"]

    def become(self, agent_id: str) -> None:
        """The next start is another agent's, with a state folder of its own."""
        tree = yaml.safe_load(self.config.read_text())
        tree["agent"] |= {"id": agent_id, "state_dir": str(self.folder / f"state-{agent_id}")}
        self.config.write_text(yaml.safe_dump(tree))

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def runs(self) -> bool:
        return self._running.poll() is None

    def send_signal(self, number: signal.Signals) -> None:
        self._running.send_signal(number)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the agent was not started"
        return self._process

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        process = self._running
        process.send_signal(number)
        try:
            return process.wait(60)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def hold_cut(self, message: WorkMessage) -> HeldCut:
        """Wait until the agent writes this clip, and stop (SIGSTOP) its cut there."""
        return hold_cut(self.pid, self.folder / "state" / "spool" / message.request_id, logs=self.log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all processes, even if the start failed or the agent does not stop."""
        try:
            if self._process is not None and self.runs:
                self.stop()
        finally:
            self._publisher.transport.close()
            self._subscriber.transport.close()
            self.broker.stop()
            del os.environ["PUBSUB_EMULATOR_HOST"]
            if self._others is not None:
                os.environ["PUBSUB_EMULATOR_HOST"] = self._others

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        lines = (json.loads(line) for line in self.log().splitlines() if line.startswith("{"))
        return [line for line in lines if line["message"] == name]

    def send(self, **fields: Any) -> RequestMessage:
        """Publish a request for a clip of the NAS file `name` (default: night.mp4)."""
        message = self.message(**fields)
        self.publish(message)
        return message

    def message(self, **fields: Any) -> RequestMessage:
        """A request that is not published yet."""
        path = str(self.nas / fields.pop("name", "night.mp4"))
        body = {"hand_id": "h", "nas_video_path": path, "start_seconds": 1, "end_seconds": 3, **fields}
        now = datetime.now(UTC)
        return RequestMessage.of(
            parse_clip_request(body, max_clip_seconds=600),
            request_id=new_request_id(now),
            owner="test",
            requested_at=now,
        )

    def send_reel(self, *parts: dict[str, Any], **fields: Any) -> ReelMessage:
        """Publish a request for a reel of parts of NAS files (`name`, default: night.mp4)."""
        clips = [
            {"nas_video_path": str(self.nas / part.get("name", "night.mp4"))}
            | {key: value for key, value in part.items() if key != "name"}
            for part in parts
        ]
        now = datetime.now(UTC)
        message = ReelMessage.of(
            parse_reel_request(
                {"reel_id": "best", "clips": clips, **fields}, max_reel_seconds=1800, max_clip_seconds=600
            ),
            request_id=new_reel_id(now),
            owner="test",
            requested_at=now,
        )
        self.publish(message)
        return message

    def cancel(self, request_id: str) -> None:
        """As the API does it."""
        store = LocalStore(self.folder / "store", public_url="http://127.0.0.1")
        store.replace(cancel_key(request_id), b"{}", expected=None)

    def record(self) -> AgentRecord:
        """The agent's record in the store."""
        found = LocalStore(self.folder / "store", public_url="http://127.0.0.1").get(
            agent_key("default", "nas-1")
        )
        assert found is not None
        return AgentRecord.from_json(found[0])

    def publish(self, message: WorkMessage | bytes) -> None:
        data = message if isinstance(message, bytes) else message.to_json()
        topic = f"projects/{PROJECT}/topics/clipping-requests"
        self._publisher.publish(topic, data, lane="interactive").result(10)

    def completed(self, request_id: str, count: int = 1, timeout: float = 60.0) -> list[CompletionMessage]:
        """Wait for `count` completions of a request, and return them."""

        def look() -> list[CompletionMessage] | None:
            self.completions += [CompletionMessage.from_json(data) for data in self._pull("complete")]
            found = [one for one in self.completions if one.request_id == request_id]
            return found if len(found) >= count else None

        found: list[CompletionMessage] = eventually(
            look, f"{count} completions of {request_id}", within=timeout, logs=self.log
        )
        return found

    def completions_within(self, request_id: str, *, seconds: float) -> list[CompletionMessage]:
        """The completions of a request that arrive within `seconds`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.completions += [CompletionMessage.from_json(data) for data in self._pull("complete")]
        return [one for one in self.completions if one.request_id == request_id]

    def progressed(self, request_id: str) -> list[ProgressMessage]:
        """The progress messages of a request so far."""
        while pulled := self._pull("progress"):
            self._progress += [ProgressMessage.from_json(data) for data in pulled]
        return [one for one in self._progress if one.request_id == request_id]

    def dead_letters(self) -> list[bytes]:
        found: list[bytes] = eventually(lambda: self._pull("dead"), "a dead letter", logs=self.log)
        return found

    def objects(self, request_id: str) -> list[Path]:
        store = self.folder / "store" / "objects"
        return [path for path in store.rglob(f"{request_id}.mp4") if path.is_file()]

    def undelivered(self) -> Callable[[], bool]:
        """Whether the lane still has an unacknowledged message. Call it after the agent has ended."""
        return lambda: bool(self._pull_path("clipping-worker"))

    def _watch(self, name: str, topic: str) -> None:
        self._subscriber.create_subscription(
            name=f"projects/{PROJECT}/subscriptions/{name}",
            topic=f"projects/{PROJECT}/topics/{topic}",
            timeout=10,
        )

    def _pull(self, name: str) -> list[bytes]:
        return [bytes(one.message.data) for one in self._pull_path(name)]

    def _pull_path(self, name: str) -> list[Any]:
        path = f"projects/{PROJECT}/subscriptions/{name}"
        try:
            answer = self._subscriber.pull(subscription=path, max_messages=100, timeout=2, retry=None)
        except DeadlineExceeded:
            return []
        if answer.received_messages:
            ids = [one.ack_id for one in answer.received_messages]
            self._subscriber.acknowledge(subscription=path, ack_ids=ids, timeout=10)
        return list(answer.received_messages)
