"""The repository's own rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_the_layers_have_no_violations() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    "script",
    [
        "scripts/install",
        "scripts/wheels",
        "scripts/lock",
        "scripts/demo",
        "scripts/reference",
        "scripts/image",
        "scripts/pin-images",
        "scripts/test",
        "scripts/check",
        ".ci/run",
    ],
)
def test_the_scripts_are_executable(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    assert run("sh", "-n", script).returncode == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here to ask")
def test_systemd_verifies_the_unit_without_warnings() -> None:
    done = run("scripts/check-unit")
    assert done.returncode == 0, done.stderr
    assert "clipping-agent.service: good" in done.stdout
