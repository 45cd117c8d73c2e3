"""The data folder of a local stack, and the configuration of its processes.

DATA/
  lock             locked while a stack, or one of its processes, is running
  keys.json        the client's and the admin's key (0600)
  preview.key      the secret that the API and the agents share for previews (0600)
  broker/          the Pub/Sub server's database
  api/             the API's database
  store/           clips
  agents/NAME/     each agent's spool
  run/             generated configuration, one file per process
  logs/            one file per process
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pwd
import random
import secrets
import shutil
import socket
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clipping.config import overlay, overridden, validate
from clipping.errors import ConfigurationError
from clipping.processes import with_open_file
from clipping.release import IMPATIENT, Patience, StillInUse, lock_file
from embedded.child import StartFailed

HOST = "127.0.0.1"
PORTS = (20_000, 32_000)
PORT_TRIES = 100
MAX_RESERVATIONS = 64
"""More than a stack has ports: only a process that starts one stack after another gives the oldest up."""
_RANDOM = random.SystemRandom()
_reservations: deque[int] = deque()
"""Descriptors, which the end of the process closes."""
MARKER = ".mounted"
FOLDERS = ("broker", "api", "store", "agents", "run", "logs")
LEAST_FREE_BYTES = 32_000_000
"""Space that databases and logs need at the start. Below `agent.min_free_bytes` no clips are cut."""


@dataclass(frozen=True)
class Keys:
    """The two bearer keys of a local stack."""

    client: str
    admin: str


class Layout:
    """The data folder, locked by this process and by those that inherit `lock`."""

    def __init__(self, data: Path, patience: Patience = IMPATIENT) -> None:
        """Wait for the remaining processes of a killed stack. Raises `ConfigurationError`."""
        self.data = data.resolve()
        try:
            self._make_folders()
            self.lock = self._locked(patience)
            self.keys()
        except OSError as error:
            raise ConfigurationError([_unusable(self.data, error)]) from None

    def _make_folders(self) -> None:
        """Create the folders. Raises `OSError` when one can't be created or written to."""
        for name in FOLDERS:
            folder = self.data / name
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        free = shutil.disk_usage(self.data).free
        if free < LEAST_FREE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.data))

    def _locked(self, patience: Patience) -> int:
        """Lock the folder. Returns the lock's descriptor. Raises `ConfigurationError` and `OSError`."""
        path = self.data / "lock"
        owner = _owner(path)
        try:
            # Wait only for the processes of a killed stack: one that runs or drains keeps its folder.
            descriptor = lock_file(
                path, f"the data folder {self.data}", patience if owner is None else IMPATIENT
            )
        except StillInUse as error:
            user = error.processes if owner is None else f"another `clipping up` (process {owner})"
            raise ConfigurationError(
                [f"--data: {self.data} is in use by {user}: stop that first, or use another --data"]
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def keys(self) -> Keys:
        """The keys, generated at the first start."""
        path = self.data / "keys.json"
        if not path.exists():
            made = {"client": secrets.token_urlsafe(24), "admin": secrets.token_urlsafe(24)}
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(made, file)
        return Keys(**json.loads(path.read_text()))

    def preview_key(self) -> Path:
        """The file with the secret for previews, generated at the first start."""
        path = self.data / "preview.key"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32))
        return path

    def tree(
        self, *, nas_roots: list[Path], port: int, over: dict[str, Any], keys: Keys, agents: int
    ) -> dict[str, Any]:
        """The configuration that all processes share. Raises `ConfigurationError` when `over` makes it
        invalid."""
        base: dict[str, Any] = {
            "agent": {"cluster": "local", "nas_roots": [_root(path) for path in nas_roots]},
            "storage": {"backend": "local", "path": str(self.data / "store")},
            "health": {"host": HOST, "port": 0},
            # Local connections are fast, so the standby can poll often.
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
            "preview": {"key": str(self.preview_key())},
            "log": {"format": "json"},
        }
        # The processes apply the environment too; their parent has to know the same addresses.
        tree = overridden(overlay(base, over))
        if validate(tree).storage.backend != "local":
            tree["storage"].pop("path")
        return tree

    def recordings(self) -> Path:
        """Create the default root. It is empty at first; its marker distinguishes it from an unmounted
        NAS."""
        own = self.data / "recordings"
        own.mkdir(exist_ok=True)
        (own / MARKER).touch()
        return own

    def agent_tree(self, tree: dict[str, Any], name: str, *, rank: int) -> dict[str, Any]:
        """`tree` with the settings of one agent. Its port is fixed here, so that a restart keeps it."""
        own = {
            "agent": {"id": name, "state_dir": str(self.data / "agents" / name)},
            "health": {"port": tree["health"]["port"] or free_port()},
            "ha": {"rank": rank},
        }
        return overlay(tree, own)

    def write(self, name: str, tree: dict[str, Any]) -> Path:
        """Write a process's configuration to `run/`."""
        path = self.config_file(name)
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return path

    def config_file(self, name: str) -> Path:
        return self.data / "run" / f"{name}.yaml"

    def log_file(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"


def _owner(lock: Path) -> int | None:
    """The process id of the last stack that locked the file, if it is still running."""
    try:
        pid = int(lock.read_text())
    except (OSError, ValueError):
        return None
    return pid if any(process.pid == pid for process in with_open_file(lock)) else None


def _unusable(data: Path, error: OSError) -> str:
    """The error message for an unusable data folder, with the fix."""
    place = error.filename or str(data)
    if error.errno == errno.ENOSPC:
        return f"--data: the disk of {data} is full: free some space, or use another --data"
    return (
        f"--data: {place} can't be written ({error.strerror}): make it writable for user {_user()}, "
        "or use another --data"
    )


def _user() -> str:
    """The name of this process's user; its number where it has none, as in most containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _root(path: Path) -> dict[str, str]:
    return {"path": str(path), "marker": MARKER} if (path / MARKER).exists() else {"path": str(path)}


def free_port() -> int:
    """A free port, for a server that binds it shortly.

    It is below the range for outgoing connections (32768 and up, on Linux), one of which could take it
    meanwhile. A UDP socket on the same number, open while this process runs, keeps other processes from
    choosing the port before its server binds it."""
    for _ in range(PORT_TRIES):
        # Not the shared generator: a test that seeds it would make every process choose the same ports.
        port = _RANDOM.randint(*PORTS)
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reservation.bind((HOST, port))
            with socket.socket() as probe:
                probe.bind((HOST, port))
        except OSError:
            reservation.close()
            continue
        if len(_reservations) == MAX_RESERVATIONS:
            os.close(_reservations.popleft())
        _reservations.append(reservation.detach())
        return port
    raise StartFailed(f"no free port between {PORTS[0]} and {PORTS[1]}")
