"""compose.yaml as it is written: from `up` to a downloaded clip, a stop, and an upgrade."""

from __future__ import annotations

import fcntl
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipping.client import Client, NewClip
from clipping.client.failures import NoAnswer, Unavailable
from embedded.layout import free_port
from tests.deploy.conftest import Measured
from tests.deploy.container.compose import Project, health, program, state
from tests.deploy.container.images import VERSION
from tests.deploy.container.registry import docker
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("images")

NAME = "clipping"
"""The file's name for its container, which only one test at a time may have."""
LONG = {"start_seconds": "0:02", "end_seconds": "0:25", "mode": "encode", "output": {"aspect": "9:16"}}


@dataclass
class Service:
    """A running compose.yaml."""

    project: Project
    url: str
    client: Client

    def request(self, **fields: object) -> str:
        clip = {"hand_id": "hand-154", "nas_video_path": "/recordings/night.mp4", **fields}
        return self.client.request(NewClip(**clip)).request_id  # type: ignore[arg-type]


@pytest.fixture
def service(share: Path) -> Iterator[Service]:
    if program() is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    lock = Path(tempfile.gettempdir(), "clipping-test-compose.lock").open("w")  # noqa: SIM115
    fcntl.flock(lock, fcntl.LOCK_EX)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {"RECORDINGS": str(share), "PUID": "1500", "PGID": "1600"}
    environ |= {"CLIPPING_PORT": str(port), "CLIPPING_URL": url}
    with lock, Project("clipping-test", "compose.yaml", environ) as project:
        yield Service(project, url, connected(url, project))


def connected(url: str, project: Project) -> Client:
    """A client with the key that the service printed."""
    (key,) = eventually(
        lambda: re.findall(r"client key  (\S+)", docker("logs", NAME, check=False).stdout),
        "the keys",
        within=180,
        logs=project.logs,
    )[-1:]
    return Client(url, key=key)


def test_from_up_to_a_downloaded_clip(service: Service, tmp_path: Path, measured: Measured) -> None:
    started = time.monotonic()
    request_id = service.request(start_seconds="0:10", end_seconds="0:20", mode="smart")
    clip = service.client.wait(request_id, timeout=120)
    assert clip.status == "completed", clip
    assert clip.download_url is not None
    assert clip.download_url.startswith(service.url)
    saved = service.client.save(request_id, tmp_path / "clip.mp4")
    measured("seconds_from_request_to_file", time.monotonic() - started)
    assert (tmp_path / "clip.mp4").stat().st_size == clip.file_size_bytes, saved
    eventually(lambda: health(NAME) == "healthy", "the health check", within=90, logs=service.project.logs)
    # No process of the container is root's, and nothing is written outside the volume and /tmp.
    users = {line.split()[1] for line in docker("top", NAME, "-eo", "pid,uid").stdout.splitlines()[1:]}
    assert users == {"1500"}
    assert docker("diff", NAME).stdout.split() == ["A", "/recordings"], "only the place of a mount is new"


def test_a_stop_finishes_the_clip_in_flight(service: Service, measured: Measured) -> None:
    request_id = in_flight(service)
    began = time.monotonic()
    service.project.run("stop")
    measured("seconds_of_stop_with_a_clip_in_flight", time.monotonic() - began)
    assert state(NAME, "{{.State.ExitCode}}") == "0", service.project.logs()
    service.project.up()
    clip = eventually(lambda: ended(service, request_id), "the clip", within=120, logs=service.project.logs)
    assert clip == ("completed", 1)


def test_an_upgrade_with_a_clip_in_flight_loses_nothing(service: Service) -> None:
    request_id = in_flight(service)
    docker("tag", f"clipping-all:{VERSION}", f"clipping-all:{VERSION}-next")
    before = state(NAME, "{{.Id}}")
    service.project.environ["CLIPPING_VERSION"] = f"{VERSION}-next"
    service.project.up()
    assert state(NAME, "{{.Id}}") != before, "the container was replaced"
    clip = eventually(lambda: ended(service, request_id), "the clip", within=180, logs=service.project.logs)
    assert clip[0] == "completed"
    assert (
        service.client.wait(service.request(start_seconds="0:10", end_seconds="0:20")).status == "completed"
    )


def in_flight(service: Service) -> str:
    """The id of a request whose clip is being encoded."""
    request_id = service.request(**LONG)
    eventually(
        lambda: service.client.status(request_id).stage == "cutting",
        "the encode",
        within=90,
        logs=service.project.logs,
    )
    return request_id


def ended(service: Service, request_id: str) -> tuple[str, int] | None:
    """Status and attempt of a request that has ended, from the service as it runs now."""
    try:
        clip = service.client.status(request_id)
    except (NoAnswer, Unavailable):
        return None
    return (clip.status, clip.attempt or 1) if clip.status in ("completed", "failed") else None
