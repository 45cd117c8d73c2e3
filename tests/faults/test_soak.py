"""Half a minute of `python -m bench.soak`: requests of all kinds, and a fault every five seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(700)]
GIVE_UP_SECONDS = 560.0


def test_half_a_minute_of_faults_has_no_violations(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.soak", "--minutes", "0.5", "--every", "5", "--rate", "0.5"]
    command += ["--seed", "7", "--settle", "200", "--folder", str(tmp_path)]
    with (tmp_path / "output").open("w+") as output:
        soak = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code = soak.wait(GIVE_UP_SECONDS)
        finally:
            soak.terminate()  # it stops its processes
            soak.wait(90)
        text = (tmp_path / "output").read_text()
    assert code == 0, text[-8000:]
    assert "0 violations" in text
