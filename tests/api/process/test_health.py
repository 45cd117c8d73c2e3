"""`clipping-api health`, the health check of a container, against a real API."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from api.process import health as api_health
from api.process.health import address
from tests.api.api_process import ApiProcess
from tests.api.conftest import MakeApi
from tests.support.imports import LIBRARIES, libraries_of


def health(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli", "health", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def port_of(api: ApiProcess) -> str:
    return api.url.rpartition(":")[2]


def test_an_api_that_accepts_requests(api: ApiProcess) -> None:
    done = health(CLIPPING_API__PORT=port_of(api), CLIPPING_API__HOST="0.0.0.0")
    assert (done.returncode, done.stdout) == (0, "the API accepts requests\n")
    file = api.folder / "health.yaml"
    file.write_text(f"api: {{port: {port_of(api)}}}\n")
    assert health("--config", str(file)).returncode == 0
    assert health(CLIPPING_CONFIG=str(file)).returncode == 0
    assert health(CLIPPING_CONFIG=str(file), CLIPPING_API__PORT="1").returncode == 1


def test_a_frozen_api_and_none_are_reported_in_one_line(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = make_api()
    monkeypatch.setenv("CLIPPING_API__PORT", port_of(api))
    monkeypatch.setattr(api_health, "ANSWER_SECONDS", 0.5)
    os.kill(api.pid, signal.SIGSTOP)
    try:
        frozen = api_health.run(argparse.Namespace(config=None))
    finally:
        os.kill(api.pid, signal.SIGCONT)
    where = f"no API answers at http://127.0.0.1:{port_of(api)}/health"
    assert (frozen, capsys.readouterr().err) == (1, f"{where}: timed out\n")
    api.stop()
    gone = health()
    assert (gone.returncode, gone.stderr) == (1, f"{where}: Connection refused\n")


def test_an_api_without_its_database_gives_the_reason(make_api: MakeApi) -> None:
    api = make_api()
    for file in api.folder.glob("clips.db*"):
        file.write_bytes(b"not a database" * 1000)
    done = health(CLIPPING_API__PORT=port_of(api))
    assert done.returncode == 1
    assert done.stderr.startswith("the API answers with 50")
    assert done.stderr.count("\n") == 1


def test_another_server_is_not_the_api() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "health"],
            env={**os.environ, "CLIPPING_API__PORT": str(port)},
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(30)
        client, _ = server.accept()
        client.sendall(b"SSH-2.0-OpenSSH\r\n")
        client.close()
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stderr.startswith(f"no API answers at http://127.0.0.1:{port}/health: ")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.168.1.5", "192.168.1.5"), (None, "127.0.0.1")],
)
def test_where_it_asks(tmp_path: Path, host: str | None, expected: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("" if host is None else f"api: {{host: '{host}', port: '8080'}}\n")
    assert address(file) == (expected, 8000 if host is None else 8080)


def test_it_loads_no_library_but_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPPING_API__PORT", "1")
    assert libraries_of("api.cli", [["health"]]) == {"health": LIBRARIES & {"yaml"}}
