"""A compose file of `deploy/container/`, brought up as it is written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.deploy.container.dockerfile import ROOT
from tests.deploy.container.images import VERSION
from tests.deploy.container.registry import docker

FOLDER = ROOT / "deploy" / "container"
UP_SECONDS = 300


def program() -> list[str] | None:
    """Docker's compose plugin, or docker-compose; None without one."""
    if shutil.which("docker") and docker("compose", "version", check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


class Project:
    """The services of one compose file; `down` and its volumes removed at the end of the block."""

    def __init__(self, name: str, file: str, environ: dict[str, str], *, over: Path | None = None) -> None:
        """`over`: a file whose keys are merged into the compose file's."""
        words = program()
        assert words is not None
        files = [FOLDER / file, *([over] if over else [])]
        self._command = [*words, "--project-name", name, *(f"--file={path}" for path in files)]
        self.environ = {"CLIPPING_REGISTRY": "", "CLIPPING_VERSION": VERSION, **environ}

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a compose command. It has no .env: only the environment given here."""
        done = subprocess.run(
            [*self._command, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **self.environ},
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    def up(self) -> None:
        """`up --detach`: create what is missing, and replace what has changed."""
        self.run("up", "--detach")

    def logs(self) -> str:
        """What the services have printed."""
        return "\n" + self.run("logs", "--no-color", "--tail=80", check=False).stdout

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # No drain at the end of a test.
        self.run("kill", check=False)
        self.run("down", "--volumes", "--timeout", "1", check=False)


def state(container: str, template: str) -> str:
    """A fact of a container, by a template of `docker inspect`; empty while there is none."""
    return docker("inspect", "--format", template, container, check=False).stdout.strip()


def health(container: str) -> str:
    """The result of a container's health check: starting, healthy or unhealthy."""
    return state(container, "{{.State.Health.Status}}")
