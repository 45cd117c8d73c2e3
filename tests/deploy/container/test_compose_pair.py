"""compose.agent.yaml on two NAS: the leader is killed, frozen, disconnected, stopped and upgraded."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.api_core.exceptions import GoogleAPIError

from clipping.config import Config, validate
from clipping.errors import BusUnavailable
from embedded.layout import free_port
from tests.deploy.conftest import Measured
from tests.deploy.container.compose import Project, health, program, state
from tests.deploy.container.images import VERSION
from tests.deploy.container.registry import docker
from tests.deploy.desk import Desk
from tests.deploy.nas import configuration, health_at
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.hosts.services import BROKER_PORT
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("images")

PATH = "/recordings/night.mp4"
LONG = {"nas_video_path": PATH, "start_seconds": 2, "end_seconds": 25, "mode": "encode"}
LONG |= {"output": {"aspect": "9:16"}}


@dataclass
class Nas:
    """The agent of one NAS."""

    name: str
    port: int
    project: Project

    def health(self) -> dict[str, Any]:
        """Its health; empty while it does not answer."""
        return health_at(f"http://127.0.0.1:{self.port}")

    def role(self) -> str | None:
        return self.health().get("role")


@dataclass
class Pair:
    """Two agents on a network of their own, with Pub/Sub and a bucket at its gateway."""

    network: str
    desk: Desk
    nas: list[Nas] = field(default_factory=list)

    def logs(self) -> str:
        return "".join(nas.project.logs() for nas in self.nas)

    def leader(self) -> Nas | None:
        active = [nas for nas in self.nas if nas.role() == "active"]
        assert len(active) < 2, "two leaders"
        return active[0] if active else None

    def settled(self) -> tuple[Nas, Nas]:
        """Leader and eligible standby."""
        leader = eventually(self.leader, "a leader", within=180, logs=self.logs)
        (other,) = (nas for nas in self.nas if nas is not leader)
        eventually(lambda: other.health().get("eligible"), "a standby", within=120, logs=self.logs)
        return leader, other

    def ask(self, **fields: Any) -> str:
        return self.desk.ask(**{"nas_video_path": PATH, **fields})

    def completed(self, request_id: str) -> str:
        """The agent whose completion of the request came; there is only one."""
        self.desk.completed(request_id, within=180, logs=self.logs)
        (completion,) = self.desk.all(request_id)
        return str(completion.agent_id)


@pytest.fixture(params=["quick"])
def pair(
    request: pytest.FixtureRequest,
    share: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pair]:
    if program() is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    with ExitStack() as stack:
        network = f"clipping-test-{uuid.uuid4().hex[:8]}"
        docker("network", "create", network)
        stack.callback(docker, "network", "rm", network, check=False)
        (ipam,) = json.loads(docker("network", "inspect", network).stdout)[0]["IPAM"]["Config"]
        gateway = ipam["Gateway"]
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"{gateway}:{BROKER_PORT}")
        _broker(stack, tmp_path / "broker", gateway)
        store = stack.enter_context(FakeGcs(gateway))
        bucket = store.bucket()
        config = validate(configuration("any", gateway, {"backend": "gcs", "bucket": bucket}))
        desk = eventually(lambda: _desk(config), "the broker")
        stack.callback(desk.close)
        key = ServiceAccount(tmp_path).key_file
        # As the user of PUID has to be able to read it.
        key.chmod(0o644)
        over = tmp_path / "over.yaml"
        over.write_text(
            yaml.safe_dump(
                {
                    "services": {
                        "agent": {
                            "environment": {
                                "PUBSUB_EMULATOR_HOST": f"{gateway}:{BROKER_PORT}",
                                "STORAGE_EMULATOR_HOST": store.url,
                                "CLIPPING_PUBSUB__LEASE_SECONDS": 10,
                                "CLIPPING_PUBSUB__RETRY_MIN_SECONDS": 1,
                                "CLIPPING_PUBSUB__RETRY_MAX_SECONDS": 2,
                            }
                        }
                    },
                    "networks": {"default": {"external": True, "name": network}},
                }
            )
        )
        found = Pair(network, desk)
        for number in (1, 2):
            name, port = f"{network}-nas-{number}", free_port()
            environ = {
                "AGENT_ID": name,
                "ADVERTISE_URL": f"http://{name}:8005",
                "HEALTH_PORT": str(port),
                "GOOGLE_PROJECT": config.pubsub.project,
                "BUCKET": bucket,
                "GOOGLE_KEY": str(key),
                "RECORDINGS": str(share),
                "HA_PRESET": request.param,
                "PUID": "1500",
                "PGID": "1600",
            }
            project = stack.enter_context(Project(name, "compose.agent.yaml", environ, over=over))
            found.nas.append(Nas(name, port, project))
        yield found


def _broker(stack: ExitStack, data: Path, address: str) -> None:
    command = [sys.executable, "-m", "tests.support.hosts.services", "--data", str(data), "--host", address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    stack.callback(process.wait, 30)
    stack.callback(process.kill)


def _desk(config: Config) -> Desk | None:
    try:
        return Desk(config)
    except (GoogleAPIError, BusUnavailable):
        return None


def test_a_clip_is_cut_and_the_health_checks_pass(pair: Pair) -> None:
    leader, standby = pair.settled()
    assert pair.completed(pair.ask()) == leader.name
    for nas in (leader, standby):
        eventually(lambda name=nas.name: health(name) == "healthy", "the health check", within=90)  # type: ignore[misc]


def test_the_standby_takes_over_from_a_killed_container(pair: Pair, measured: Measured) -> None:
    leader, standby = pair.settled()
    request_id = in_flight(pair, leader)
    began = time.monotonic()
    docker("kill", leader.name)
    takes_over(pair, standby, began, measured, "seconds_from_kill_to_active")
    assert pair.completed(request_id) == standby.name


def test_the_standby_takes_over_from_a_frozen_container(pair: Pair, measured: Measured) -> None:
    leader, standby = pair.settled()
    request_id = in_flight(pair, leader)
    began = time.monotonic()
    docker("pause", leader.name)
    try:
        takes_over(pair, standby, began, measured, "seconds_from_pause_to_active")
        assert pair.completed(request_id) == standby.name
    finally:
        docker("unpause", leader.name)
    eventually(lambda: leader.role() == "standby", "the former leader", within=120, logs=pair.logs)
    assert standby.role() == "active"
    assert pair.completed(request_id) == standby.name, "no second completion"


def test_the_standby_takes_over_from_a_disconnected_container(pair: Pair, measured: Measured) -> None:
    leader, standby = pair.settled()
    request_id = in_flight(pair, leader)
    began = time.monotonic()
    docker("network", "disconnect", pair.network, leader.name)
    takes_over(pair, standby, began, measured, "seconds_from_disconnect_to_active")
    assert pair.completed(request_id) == standby.name
    docker("network", "connect", "--alias", leader.name, pair.network, leader.name)
    eventually(lambda: leader.role() == "standby", "the former leader", within=120, logs=pair.logs)
    assert pair.completed(request_id) == standby.name, "no second completion"


def test_a_stopped_leader_finishes_its_clip_and_hands_over(pair: Pair, measured: Measured) -> None:
    leader, standby = pair.settled()
    request_id = in_flight(pair, leader)
    began = time.monotonic()
    leader.project.run("stop")
    measured("seconds_of_stop_with_a_clip_in_flight", time.monotonic() - began)
    assert state(leader.name, "{{.State.ExitCode}}") == "0"
    assert pair.completed(request_id) == leader.name
    takes_over(pair, standby, time.monotonic(), measured, "seconds_from_stopped_to_active")


def test_both_are_upgraded_one_after_the_other_while_clips_are_cut(pair: Pair) -> None:
    leader, standby = pair.settled()
    docker("tag", f"clipping-agent:{VERSION}", f"clipping-agent:{VERSION}-next")
    requested = [in_flight(pair, leader)]
    for nas in (standby, leader):
        nas.project.environ["CLIPPING_VERSION"] = f"{VERSION}-next"
        before = state(nas.name, "{{.Id}}")
        nas.project.up()
        assert state(nas.name, "{{.Id}}") != before
        requested.append(pair.ask())
        pair.settled()
    for request_id in requested:
        pair.completed(request_id)


def in_flight(pair: Pair, leader: Nas) -> str:
    """The id of a request whose clip the leader encodes."""
    request_id = pair.ask(**LONG)
    eventually(
        lambda: any(clip["stage"] == "cutting" for clip in leader.health().get("in_flight", [])),
        "the encode",
        within=90,
        logs=pair.logs,
    )
    return request_id


def takes_over(pair: Pair, standby: Nas, began: float, measured: Measured, name: str) -> None:
    eventually(lambda: standby.role() == "active", "the takeover", within=180, every=0.1, logs=pair.logs)
    measured(name, time.monotonic() - began)
