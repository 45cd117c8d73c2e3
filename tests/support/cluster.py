"""A cluster for tests: broker, API and agents as processes, without automatic restarts."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import requests

from clipping.config import overlay, validate
from clipping.store.layout import BESIDE
from clipping.store.open import open_store
from embedded.layout import Layout, free_port
from tests.support.agent_node import AgentNode
from tests.support.broker import BrokerProcess
from tests.support.held import HELD_SECONDS, HeldCut, hold_cut
from tests.support.observer import StoreObserver, Witness
from tests.support.procs import with_variable
from tests.support.waiting import eventually

START_SECONDS = 90.0
HTTP_SECONDS = 60.0
MARK = "CLIPPING_TEST_CLUSTER"
"""An environment variable that every process of a cluster inherits, to find orphans."""
FREEZE_TRIES = 20
FREEZE_SECONDS = 5.0
"""Time in which six clips are copied and uploaded. A missed upload is followed by others."""
REDELIVERY = {"lease_seconds": 10, "retry_min_seconds": 0, "retry_max_seconds": 1}
"""Redelivery within seconds, so that tests that kill agents need not wait a minute."""
CLUSTER = "local"
FINAL = ("completed", "failed", "cancelled")


class Cluster:
    """Starts on construction. A context manager. `nodes[0]` leads initially."""

    def __init__(
        self,
        folder: Path,
        nas: Path,
        *,
        agents: int = 2,
        over: Mapping[str, Any] | None = None,
        each: Mapping[int, Mapping[str, Any]] | None = None,
        environ: Mapping[str, str] | None = None,
        each_environ: Mapping[int, Mapping[str, str]] | None = None,
        broker: BrokerProcess | None = None,
    ) -> None:
        """`over` is merged into every configuration, `each[n]` into the n-th agent's; likewise the
        environments."""
        self.folder, self.nas = folder, nas
        self.token = secrets.token_hex(8)
        folder.mkdir(parents=True, exist_ok=True)
        layout = Layout(folder / "data")
        self._keys = layout.keys()
        base = {
            "pubsub": REDELIVERY,
            "ha": {"mode": "primary-standby"},
            "limits": {"requests_per_minute": 0},
            "cutting": {"stall_seconds": HELD_SECONDS},
        }
        self.tree = layout.tree(
            nas_roots=[nas], port=free_port(), over=overlay(base, over or {}), keys=self._keys, agents=agents
        )
        self.config = validate(self.tree)  # before the first process starts
        self._api_config = layout.write("api", self.tree)
        self._api_log = folder / "api.log"
        self._api: subprocess.Popen[bytes] | None = None
        self.nodes: list[AgentNode] = []
        self.asked: list[str] = []
        self.session, self.admin = _session(self._keys.client), _session(self._keys.admin)
        self.broker = broker or BrokerProcess(folder / "broker")
        try:
            self.environ = {
                MARK: self.token,
                "PUBSUB_EMULATOR_HOST": self.broker.host_port,
                "GRPC_ENABLE_FORK_SUPPORT": "0",
                **(environ or {}),
            }
            for number in range(agents):
                tree = layout.agent_tree(self.tree, f"agent-{number + 1}", rank=max(0, number - 1))
                tree = overlay(tree, (each or {}).get(number, {}))
                own = {**self.environ, **(each_environ or {}).get(number, {})}
                self.nodes.append(AgentNode(f"agent-{number + 1}", tree, folder, own))
            self._provision()
            self.witness = Witness(self.broker.host_port, self.config.pubsub.project)
            self.store = open_store(self.config)
            self.observer = StoreObserver(self.store, CLUSTER)
            self.nodes[0].launch()  # it takes as long as the API
            self.start_api()
            self._start_agents()
        except BaseException:
            self.close()
            raise

    def _provision(self) -> None:
        command = [sys.executable, "-m", "agent.cli", "provision", "--config", str(self._api_config)]
        environ = {**os.environ, **self.environ}
        subprocess.run(command, env=environ, check=True, timeout=90, stdout=subprocess.DEVNULL)

    def start_api(self) -> None:
        command = [sys.executable, "-m", "api.cli", "serve", "--config", str(self._api_config), "--json"]
        with self._api_log.open("ab") as log:
            self._api = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **self.environ}
            )
        assert self._api.stdout is not None
        readable, _, _ = select.select([self._api.stdout], [], [], START_SECONDS)
        line = self._api.stdout.readline() if readable else b""
        assert line, f"the API did not start: {self._api_log.read_text()[-3000:]}"
        self.url = str(json.loads(line)["url"])

    @property
    def api_pid(self) -> int:
        """The API's process id, also after its exit."""
        assert self._api is not None, "the API was not started"
        return self._api.pid

    def reap_api(self) -> int:
        """The exit code of an API that has exited."""
        assert self._api is not None
        assert self._api.stdout is not None
        self._api.stdout.close()
        return self._api.wait(30)

    def client_key(self, *, admin: bool = False) -> str:
        """The bearer key of a client or an administrator."""
        return self._keys.admin if admin else self._keys.client

    def _start_agents(self) -> None:
        """Start the other agents once the first one leads."""
        first = self.nodes[0]
        eventually(lambda: first.leads() or not first.runs, "the first agent", every=0.2, logs=self.logs)
        for node in self.nodes[1:]:
            node.launch()
        for node in self.nodes:
            node.wait_ready()

    def leader(self, *, within: float = 60.0) -> AgentNode:
        """Wait for a leader. Returns it."""
        found: AgentNode = eventually(
            lambda: next((node for node in self.nodes if node.runs and node.leads()), None),
            "a leader",
            within=within,
            every=0.2,
            logs=self.logs,
        )
        return found

    def ask(self, name: str = "night.mp4", **fields: Any) -> str:
        """Post a request, which must be accepted. Returns its id."""
        body = {"hand_id": "hand-1", "nas_video_path": str(self.nas / name)}
        body |= {"start_seconds": 1, "end_seconds": 3, **fields}
        answer = self.session.post(f"{self.url}/v1/clip/request", json=body, timeout=HTTP_SECONDS)
        assert answer.status_code == 202, answer.text
        self.asked.append(str(answer.json()["request_id"]))
        return self.asked[-1]

    def status(self, request_id: str) -> dict[str, Any]:
        answer = self.session.get(f"{self.url}/v1/clip/{request_id}/status", timeout=HTTP_SECONDS)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def wait(self, request_id: str, *states: str, within: float = 60.0) -> dict[str, Any]:
        """Wait until the status is one of `states` (default: any final one). Returns it."""
        wanted = states or FINAL

        def reached() -> dict[str, Any] | None:
            status = self.status(request_id)
            return status if status["status"] in wanted else None

        found: dict[str, Any] = eventually(
            reached, f"{request_id} to be {' or '.join(wanted)}", within=within, every=0.1, logs=self.logs
        )
        return found

    def hold_cut(self, node: AgentNode, request_id: str) -> HeldCut:
        """Wait until the agent writes the clip, and freeze (SIGSTOP) its cut."""
        return hold_cut(node.pid, node.state_dir / "spool" / request_id, logs=self.logs)

    def freeze_uploading(self, node: AgentNode) -> None:
        """Request clips, six at a time, and freeze (SIGSTOP) the agent while it uploads one of them."""
        for _ in range(FREEZE_TRIES):
            for begin in range(6):
                self.ask(start_seconds=begin, end_seconds=begin + 40, mode="copy")
            until = time.monotonic() + FREEZE_SECONDS
            while time.monotonic() < until:
                if not self._uploads():
                    time.sleep(0.0005)
                    continue
                node.freeze()
                if self._uploads():
                    return
                node.signal(signal.SIGCONT)  # the upload finished before the freeze
        raise AssertionError(f"no upload was frozen in {FREEZE_TRIES} tries{self.logs()}")

    def _uploads(self) -> list[Path]:
        """The folders of the uploads in progress."""
        assert self.config.storage.path is not None
        return [path for path in Path(self.config.storage.path, "tmp").iterdir() if path.is_dir()]

    def failover(self, agent_id: str, **body: Any) -> requests.Response:
        """Request a failover as an administrator."""
        url = f"{self.url}/v1/admin/agents/{agent_id}/failover"
        return self.admin.post(url, json=body, timeout=HTTP_SECONDS)

    def redeliver(self, request_id: str) -> None:
        """Publish a request's message again, as after a lost acknowledgement."""
        self.witness.republish(request_id)

    def objects(self, request_id: str) -> list[str]:
        """The clips of a request in the store, without what lies beside them."""
        beside = tuple(BESIDE.values())
        return [key for key in self.observer.versions if request_id in key and not key.endswith(beside)]

    def logs(self) -> str:
        """The end of every process's log, for the message of a failed test."""
        api = (
            f"\n--- api\n{self._api_log.read_text(errors='replace')[-2000:]}"
            if self._api_log.exists()
            else ""
        )
        return api + "".join(node.tail() for node in self.nodes)

    def settle(self) -> None:
        """Verify the invariants after a fault: each request has one outcome, nothing was overwritten, epochs
        only increased, and no process remains after the stop."""
        ends = {request_id: self.wait(request_id, within=90)["status"] for request_id in self.asked}
        # The API may receive a completion before the witness.
        eventually(
            lambda: set(ends.items()) <= set(self.witness.completions()), "the completions", logs=self.logs
        )
        completions = self.witness.completions()
        for request_id, status in ends.items():
            assert {how for (who, how) in completions if who == request_id} == {status}, (
                request_id,
                status,
                completions,
            )
            expected = 1 if status == "completed" else 0
            assert len(self.objects(request_id)) == expected, (request_id, status, self.objects(request_id))
            assert self.status(request_id)["status"] == status
        self.observer.check()
        self.close()
        eventually(lambda: not with_variable(MARK, self.token), "every process to exit")

    def close(self) -> None:
        for node in self.nodes:
            if node.runs:
                node.signal(signal.SIGCONT)
                node.signal(signal.SIGTERM)
        for node in self.nodes:
            node.close()
        if self._api is not None and self._api.poll() is None:
            self._api.terminate()
            self._api.wait(30)
            assert self._api.stdout is not None
            self._api.stdout.close()
        for name in ("observer", "witness"):
            part = self.__dict__.get(name)
            if part is not None:
                part.close()
        self.session.close()
        self.admin.close()
        if self.broker.runs:
            self.broker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _session(key: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {key}"
    return session
