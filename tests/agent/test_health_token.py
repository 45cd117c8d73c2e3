"""NAS paths are shown only with the token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from tests.agent.agent_process import AgentProcess

TOKEN = "a-token-of-the-health-page"


def test_only_the_token_and_the_local_socket_show_paths(tmp_path: Path) -> None:
    file = tmp_path / "health-token"
    file.write_text(TOKEN + "\n")
    health = {"host": "127.0.0.1", "port": 0, "token_file": str(file)}
    with AgentProcess(tmp_path, health=health) as agent:
        metrics = agent.health_url.replace("/health", "/metrics")
        for url in (agent.health_url, metrics):
            public = requests.get(url, timeout=30).text
            bearer = requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30).text
            assert str(agent.folder) not in public
            assert "nas root 1" in public
            assert f"nas {agent.nas}" in bearer
        # The NAS folder is empty, which is reported as not mounted.
        status = json.loads(agent.command("ctl", "status", "--json").stdout)
        assert any(
            reason.startswith(f"nas {agent.nas}: {agent.nas} is empty") for reason in status["reasons"]
        )
        assert TOKEN not in agent.log()


@pytest.mark.slow
def test_a_token_file_that_is_missing_is_a_configuration_error(tmp_path: Path) -> None:
    with AgentProcess(tmp_path) as agent:
        for command in ("check-config", "run"):
            done = agent.command(command, CLIPPING_HEALTH__TOKEN_FILE=str(tmp_path / "none"))
            assert done.returncode == 78
            assert "health.token_file" in done.stderr
            assert "Traceback" not in done.stderr
