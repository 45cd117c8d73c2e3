"""The one folder that a local stack keeps its data in, and the configuration it writes for its processes.

DATA/
  lock             held while a stack, or a process of one, runs on the folder
  keys.json        the client's and the admin's key (0600)
  broker/          the Pub/Sub server's database
  api/             the API's database
  store/           clips
  agents/NAME/     each agent's spool
  run/             generated configuration, one file a process
  logs/            one file a process
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipping.config import overlay, validate
from clipping.errors import ConfigurationError
from clipping.release import IMPATIENT, Patience, StillInUse, lock_file
from embedded.child import StartFailed

HOST = "127.0.0.1"
PORTS = (20_000, 32_000)
PORT_TRIES = 100
MARKER = ".mounted"


@dataclass(frozen=True)
class Keys:
    """The two bearer keys of a local stack."""

    client: str
    admin: str


class Layout:
    """The data folder, locked: by this process and by all that inherit `lock`."""

    def __init__(self, data: Path, patience: Patience = IMPATIENT) -> None:
        """Waits for a stack that is still exiting. Raises `ConfigurationError`."""
        self.data = data.resolve()
        for name in ("broker", "api", "store", "agents", "run", "logs"):
            (self.data / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self.lock = lock_file(self.data / "lock", f"the data folder {self.data}", patience)
        except StillInUse as error:
            raise ConfigurationError(
                [f"--data: {self.data} is in use by {error.holders}: stop that first, or use another --data"]
            ) from None

    def keys(self) -> Keys:
        """The keys, made at the first start."""
        path = self.data / "keys.json"
        if not path.exists():
            made = {"client": secrets.token_urlsafe(24), "admin": secrets.token_urlsafe(24)}
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(made, file)
        return Keys(**json.loads(path.read_text()))

    def tree(
        self, *, nas_roots: list[Path], port: int, over: dict[str, Any], keys: Keys, agents: int
    ) -> dict[str, Any]:
        """The configuration that all processes share. Raises `ConfigurationError` when `over` spoils it."""
        base: dict[str, Any] = {
            "agent": {"cluster": "local", "nas_roots": [_root(path) for path in nas_roots]},
            "storage": {"backend": "local", "path": str(self.data / "store")},
            "health": {"host": HOST, "port": 0},
            # Nothing is far on one machine: a standby may look often.
            "ha": {"mode": "primary-standby" if agents > 1 else "single", "preset": "quick"},
            "api": {
                "host": HOST,
                "port": port,
                "public_url": f"http://{HOST}:{port}",
                "database_url": f"sqlite:///{self.data}/api/clipping.db",
                "keys": [
                    {"name": name, "role": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
                    for name, key in (("client", keys.client), ("admin", keys.admin))
                ],
            },
            "log": {"format": "json"},
        }
        tree = overlay(base, over)
        validate(tree)
        return tree

    def recordings(self) -> Path:
        """A root of its own. It is empty at first; a marker tells it from a NAS that is not mounted."""
        own = self.data / "recordings"
        own.mkdir(exist_ok=True)
        (own / MARKER).touch()
        return own

    def agent_tree(self, tree: dict[str, Any], name: str, *, rank: int) -> dict[str, Any]:
        """`tree` with the keys of one agent. Its port is chosen here, so that a restart keeps it."""
        own = {
            "agent": {"id": name, "state_dir": str(self.data / "agents" / name)},
            "health": {"port": tree["health"]["port"] or free_port()},
            "ha": {"rank": rank},
        }
        return overlay(tree, own)

    def write(self, name: str, tree: dict[str, Any]) -> Path:
        """Keep a process's configuration in `run/`."""
        path = self.data / "run" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return path

    def log_file(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"


def _root(path: Path) -> dict[str, str]:
    return {"path": str(path), "marker": MARKER} if (path / MARKER).exists() else {"path": str(path)}


def free_port() -> int:
    """A port that is free now, for a server that binds it a moment later.

    Below those that the system gives to outgoing connections (32768 and up, on Linux), or one of these would
    take it meanwhile.
    """
    for _ in range(PORT_TRIES):
        port = random.randint(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
    raise StartFailed(f"no free port was found between {PORTS[0]} and {PORTS[1]}")
