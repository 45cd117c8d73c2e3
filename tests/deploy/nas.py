"""A NAS with the agent installed on it as a service."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
import yaml

from clipping.config import Config, overlay, validate
from tests.support.hosts.host import Host
from tests.support.waiting import eventually

UNIT = "clipping-agent.service"
READY_SECONDS = 120.0
HEALTH_SECONDS = 5.0


def configuration(name: str, address: str, storage: Mapping[str, Any], **over: Any) -> dict[str, Any]:
    """The contents of /etc/clipping-agent/config.yaml."""
    tree: dict[str, Any] = {
        "agent": {"id": name, "nas_roots": [{"path": "/srv/recordings"}], "min_free_bytes": 0},
        "pubsub": {"lease_seconds": 10, "retry_min_seconds": 1, "retry_max_seconds": 2},
        "storage": dict(storage),
        "health": {"advertise_url": f"http://{address}:8005"},
        "cutting": {"encoder": "cpu"},
    }
    return overlay(tree, over)


def health_at(url: str) -> dict[str, Any]:
    """The health of the agent at this address; empty while it does not respond."""
    give_up = time.monotonic() + HEALTH_SECONDS
    while time.monotonic() < give_up:
        try:
            answer = requests.get(f"{url}/health", timeout=HEALTH_SECONDS)
        except (requests.ConnectionError, requests.Timeout):
            break
        if answer.status_code != requests.codes.too_many_requests:
            body: dict[str, Any] = answer.json()
            return body
        time.sleep(0.1)  # limits the load from tests that poll
    return {}


class Nas:
    """The service on a host, with an administrator's operations."""

    def __init__(self, host: Host, environment: dict[str, str], config: dict[str, Any]) -> None:
        self.host = host
        self.config: Config = validate(config)
        self.write_config(config)
        lines = [f"{name}={value}" for name, value in environment.items()]
        host.write("/etc/clipping-agent/environment", "\n".join(lines) + "\n")

    def write_config(self, config: dict[str, Any] | str) -> None:
        """Replace the file. The agent reads it on a reload."""
        text = config if isinstance(config, str) else yaml.safe_dump(config)
        self.host.write("/etc/clipping-agent/config.yaml", text)

    def drop_in(self, name: str, text: str) -> None:
        """Add a drop-in to the unit."""
        folder = f"/etc/systemd/system/{UNIT}.d"
        self.host.run("mkdir", "-p", folder)
        self.host.write(f"{folder}/{name}.conf", text)
        self.host.run("systemctl", "daemon-reload")

    def start(self) -> None:
        """`systemctl start`, which returns once the agent has notified readiness."""
        done = self.host.call("systemctl", "start", UNIT, timeout=READY_SECONDS)
        assert done.returncode == 0, done.stdout + self.host.journal()

    def show(self, name: str) -> str:
        """The value of a property of the unit."""
        return self.host.run("systemctl", "show", "--property", name, "--value", UNIT).strip()

    @property
    def pid(self) -> int:
        """The agent's process id in the host's namespace; 0 when it is not running."""
        return int(self.show("MainPID"))

    def processes(self) -> list[int]:
        """The service's process ids in this machine's namespace."""
        return self.host.processes(UNIT)

    def find(self, program: str) -> int | None:
        """The id, in this machine's namespace, of a process of the service that runs `program` for a clip."""
        for pid in self.processes():
            try:
                name = Path(f"/proc/{pid}/comm").read_text()
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if name.startswith(program) and b"lavfi" not in command:  # that is a trial of an encoder
                return pid
        return None

    def status_text(self) -> str:
        """The Status line of `systemctl status`."""
        return self.show("StatusText")

    def health(self) -> dict[str, Any]:
        """The agent's health; empty while it does not respond."""
        return health_at(f"http://{self.host.address}:8005")

    def role(self) -> str | None:
        return self.health().get("role")

    def wait_for_role(self, role: str, within: float = 90.0) -> dict[str, Any]:
        """Wait for the role. Returns the agent's health."""

        def in_role() -> dict[str, Any] | None:
            health = self.health()
            return health if health.get("role") == role else None

        return eventually(in_role, f"{self.host.name} to be {role}", within=within, every=0.1, logs=self.logs)

    def logs(self) -> str:
        return f"\n--- {self.host.name}\n" + self.host.journal("--lines=60")


def recordings(folder: Path, recording: Path) -> Path:
    """Create a folder with `night.mp4` to share with hosts."""
    folder.mkdir()
    (folder / "night.mp4").write_bytes(recording.read_bytes())
    return folder
