"""A store from which segments can't be deleted is refused by every command, before a clip is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.agent_process import AgentProcess
from tests.support.fuse import FaultyMount

pytestmark = pytest.mark.slow


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Path]:
    """A folder on a network file system, for the store."""
    folder = tmp_path / "network"
    folder.mkdir()
    try:
        mount = FaultyMount(folder, {}).__enter__()
    except OSError as error:
        pytest.skip(f"no file system can be mounted here (it takes root and FUSE): {error}")
    yield folder / "clips"
    mount.__exit__()


def test_remote_checkpoints_on_a_network_file_system(tmp_path: Path, network: Path) -> None:
    with AgentProcess(tmp_path) as agent:
        over = {"CLIPPING_STORAGE__PATH": str(network), "CLIPPING_CHECKPOINTS__REMOTE": "true"}
        for command in ("check-config", "run"):
            refused = agent.command(command, **over)
            assert refused.returncode == 78, refused.stderr
            assert "checkpoints.remote" in refused.stderr
            assert "network file system (fuse)" in refused.stderr

        doctor = agent.command("doctor", **over)
        assert doctor.returncode == 1
        [line] = [line for line in doctor.stdout.splitlines() if line.split()[1] == "store"]
        assert line.startswith("BAD")
        assert "checkpoints.remote" in line

        allowed = agent.command("check-config", **{**over, "CLIPPING_CHECKPOINTS__REMOTE": "false"})
        assert allowed.returncode == 0, allowed.stderr
