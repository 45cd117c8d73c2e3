"""Several workers under gunicorn, and what must not depend on which of them is asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.api.api_process import CLIENT, ApiProcess
from tests.api.conftest import MakeApi
from tests.api.gunicorn_process import GunicornProcess
from tests.api.messages import completed, progress
from tests.support.events import EventReader
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually


@pytest.fixture
def pulling(make_api: MakeApi, postgres: PostgresServer) -> ApiProcess:
    """An instance on PostgreSQL, whose workers are under test here."""
    return make_api(api={"database_url": postgres.database()})


def ask(server: GunicornProcess, api: ApiProcess) -> requests.Response:
    body = {"hand_id": "h", "nas_video_path": f"{api.root}/a.mp4", "start_seconds": 0, "end_seconds": 1}
    # A new connection each time, so that the workers share them out.
    headers = {"Authorization": f"Bearer {CLIENT}"}
    try:
        return requests.post(f"{server.url}/v1/clip/request", json=body, headers=headers, timeout=30)
    except requests.ConnectionError as error:
        raise AssertionError(f"{error!r}{server.tail()}") from error  # whether a worker has ended


@pytest.mark.slow
def test_workers_share_requests_streams_and_counts(pulling: ApiProcess, tmp_path: Path) -> None:
    with GunicornProcess(pulling, tmp_path / "g", workers=3) as server:
        answers = [ask(server, pulling) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {202}
        ids = [answer.json()["request_id"] for answer in answers]
        readers = [EventReader(f"{server.url}/v1/clip/{each}/events", CLIENT) for each in ids]
        for each in ids:
            pulling.send(progress(request_id=each))
            pulling.send(completed(request_id=each))
        for reader in readers:
            reader.wait("completed")
            reader.wait_for_end()
            reader.close()
        text = requests.get(f"{server.url}/metrics", timeout=30).text
        counted = 'clipping_api_requests_total{method="POST",route="/v1/clip/request",status="202"} 20.0'
        assert counted in text
        assert "clipping_api_database_up 1.0" in text
        assert server.stop() == 0
    log = server.log.read_text()
    assert "Traceback" not in log
    assert all(line.startswith("{") for line in log.splitlines() if line.strip())
    assert pulling.counts()["requests"] == 20


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_streams_go_on(
    pulling: ApiProcess, tmp_path: Path
) -> None:
    with GunicornProcess(pulling, tmp_path / "g", workers=1) as server:
        request_id = ask(server, pulling).json()["request_id"]
        with EventReader(f"{server.url}/v1/clip/{request_id}/events", CLIENT) as reader:
            reader.wait("status")
            (worker,) = server.worker_pids
            os.kill(worker, signal.SIGKILL)
            reader.wait_for_end()
        eventually(lambda: [pid for pid in server.worker_pids if pid != worker], "another worker")
        pulling.send(completed(request_id=request_id))
        with EventReader(f"{server.url}/v1/clip/{request_id}/events", CLIENT, reader.last_id) as again:
            again.wait("completed")


def test_a_failed_start_prints_the_reason(tmp_path: Path, postgres: PostgresServer) -> None:
    def run(*more: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn_settings", *more]
        merged = {**os.environ, "CLIPPING_STORAGE__PATH": str(tmp_path), **environ}
        return subprocess.run(command, env=merged, capture_output=True, text=True, timeout=60, check=False)

    unknown = run(CLIPPING_API__COLOUR="red")
    assert (unknown.returncode, "api.colour" in unknown.stderr) == (78, True)
    empty = run(CLIPPING_API__DATABASE_URL=postgres.database())
    assert (empty.returncode, "clipping-api migrate" in empty.stderr) == (78, True)
    url = f"sqlite:///{tmp_path}/c.db"
    opened = run("--bind", "0.0.0.0:0", CLIPPING_API__DATABASE_URL=url)
    assert (opened.returncode, "keys or oidc" in opened.stderr) == (78, True)
    assert "Traceback" not in unknown.stderr + empty.stderr + opened.stderr
