"""`clipping-agent run` refuses what it can't run with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_key_that_is_there_but_can_not_be_read_is_named(tmp_path: Path) -> None:
    # As Docker makes it where the host's file of a volume is missing; root could read any file.
    key = tmp_path / "google.json"
    key.mkdir()
    environ = {
        **os.environ,
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "CLIPPING_AGENT__STATE_DIR": str(tmp_path / "state"),
        "CLIPPING_STORAGE__PATH": str(tmp_path / "clips"),
    }
    command = [sys.executable, "-m", "agent.cli", "run"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78, done.stderr
    assert f"GOOGLE_APPLICATION_CREDENTIALS: {key} is a folder, which Docker creates" in done.stderr
    assert "Traceback" not in done.stderr
