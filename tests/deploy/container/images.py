"""Images of this checkout, built once per test run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

from tests.deploy.container.dockerfile import ROOT
from tests.deploy.container.registry import docker

VERSION = "test"
BUILD_SECONDS = 1500
BASES = ("python:3.12-slim-bookworm", "python:3.13-slim-bookworm", "python:3.11-slim-bookworm")
"""Any that is here already; the first one is pulled otherwise."""


def built(run: str) -> str | None:
    """Build the images `clipping-agent:test`, `clipping-all:test` and `clipping-api:test`, once for all
    processes of the run of this name. Returns why that failed."""
    result = Path(tempfile.gettempdir(), f"clipping-test-images-{run}")
    with result.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            result.write_text(_build() or "")
    return result.read_text() or None


def _build() -> str | None:
    here = [base for base in BASES if docker("image", "inspect", base, check=False).returncode == 0]
    environ = {
        "PYTHON_IMAGE": (here or BASES)[0],
        "DOCKER_BUILD_FLAGS": "--network host",
        **os.environ,
        "CLIPPING_VERSION": VERSION,
        "CLIPPING_REGISTRY": "",
    }
    done = subprocess.run(
        [ROOT / "scripts" / "image", "agent", "all", "api"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return f"the images can't be built: {' '.join(lines[-3:])}" if done.returncode else None
