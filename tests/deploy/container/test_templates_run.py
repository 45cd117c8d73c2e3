"""The templates for Unraid and TrueNAS, run as those systems do, up to a finished clip."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from clipping.client import Client, NewClip
from embedded.layout import free_port
from tests.deploy.container.compose import Project, health, program, state
from tests.deploy.container.images import VERSION
from tests.deploy.container.registry import docker
from tests.deploy.container.test_templates import FOLDER, configs, template, text
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("images")


def logs(name: str) -> str:
    done = docker("logs", "--tail", "60", name, check=False)
    return f"\n{done.stdout}{done.stderr}"


def answers(url: str) -> bool:
    """Whether the API answers: its key may be in the log of an earlier start."""
    try:
        return requests.get(f"{url}/health", timeout=10).status_code == 200
    except requests.RequestException:
        return False


def finished_clip(name: str, url: str) -> str:
    """The status of a clip that the service in this container was asked for, with the key in its log."""
    (key,) = eventually(
        lambda: re.findall(r"client key  (\S+)", logs(name))[-1:],
        "the keys",
        within=180,
        logs=lambda: logs(name),
    )
    eventually(lambda: answers(url), "the API", within=90, logs=lambda: logs(name))
    client = Client(url, key=key)
    clip = NewClip(
        hand_id="hand-1",
        nas_video_path="/recordings/night.mp4",
        start_seconds="0:10",
        end_seconds="0:15",
    )
    return client.wait(client.request(clip).request_id, timeout=120).status


def unraid(name: str, hosts: dict[str, Path], port: int, **variables: str) -> list[str]:
    """The options of `docker create` that Unraid makes of a template (its function xmlToCommand)."""
    words = ["--net=bridge", "--pids-limit", "2048", "-e", "TZ=UTC", "-e", "HOST_OS=Unraid"]
    for target, variable in configs(name, "Variable").items():
        words += ["-e", f"{target}={variables.get(target, variable.text)}"]
    for target in configs(name, "Port"):
        words += ["-p", f"{port}:{target}/tcp"]
    for target, path in configs(name, "Path").items():
        host = hosts[target]
        if not host.exists():  # as Unraid does
            host.mkdir()
            host.chmod(0o777)
            os.chown(host, 99, 100)
        words += ["-v", f"{host}:{target}:{path.attrib['Mode']}"]
    return words + shlex.split(text(template(name), "ExtraParams"))


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Creates and starts a container, and removes it after the test."""
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    tmp_path.chmod(0o755)
    name = f"clipping-test-{os.getpid()}"

    def start(image: str, options: list[str]) -> str:
        docker("create", f"--name={name}", *options, image)
        docker("start", name)
        return name

    yield start
    docker("rm", "--force", "--volumes", name, check=False)


def test_unraids_container_cuts_a_clip_and_stops(
    container: Callable[..., str], share: Path, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    hosts = {"/recordings": share, "/data": tmp_path / "appdata"}
    options = unraid("clipping-all.xml", hosts, port, CLIPPING_API__PUBLIC_URL=url)
    name = container(f"clipping-all:{VERSION}", options)
    assert finished_clip(name, url) == "completed"
    assert {(path.stat().st_uid, path.stat().st_gid) for path in hosts["/data"].iterdir()} == {(99, 100)}
    docker("stop", "--time=60", name)  # as Unraid does, with its Docker Stop Timeout
    assert state(name, "{{.State.ExitCode}}") == "0", logs(name)
    docker("start", name)
    assert finished_clip(name, url) == "completed", "after a restart"


def test_unraids_agent_starts_and_stays_healthy_without_its_cloud(
    container: Callable[..., str], share: Path, tmp_path: Path
) -> None:
    key = tmp_path / "google.json"
    key.write_text("{}")
    key.chmod(0o644)
    hosts = {
        "/recordings": share,
        "/var/lib/clipping-agent": tmp_path / "appdata",
        "/run/secrets/google.json": key,
    }
    name = container(f"clipping-agent:{VERSION}", unraid("clipping-agent.xml", hosts, free_port()))
    eventually(lambda: health(name) == "healthy", "the health check", within=120, logs=lambda: logs(name))
    doctor = docker("exec", name, "clipping-agent", "doctor", check=False).stdout
    assert re.search(r"^ok +nas /recordings ", doctor, re.MULTILINE), doctor
    assert re.search(r"^BAD +pubsub ", doctor, re.MULTILINE), doctor


def test_truenas_app_cuts_a_clip(share: Path, tmp_path: Path) -> None:
    if program() is None:
        pytest.skip("neither docker compose nor docker-compose is installed")
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    tmp_path.chmod(0o755)
    dataset = tmp_path / "dataset"
    dataset.mkdir(mode=0o770)
    os.chown(dataset, 568, 568)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    file = tmp_path / "app.yaml"
    # What docs/nas/truenas.md asks to replace, and what this machine has otherwise.
    pasted = (FOLDER / "truenas.yaml").read_text()
    for old, new in {
        "/mnt/tank/recordings:": f"{share}:",
        "/mnt/tank/apps/clipping:": f"{dataset}:",
        "http://truenas.local:8000": url,
        '"8000:8000"': f'"{port}:8000"',
        "clipping-all:0.1.0": f"clipping-all:{VERSION}",
    }.items():
        assert pasted.count(old) == 1, old
        pasted = pasted.replace(old, new)
    file.write_text(pasted)
    with Project("ix-clipping-test", str(file), {}) as project:
        name = project.run("ps", "--quiet").stdout.strip()
        assert finished_clip(name, url) == "completed"
        assert {path.stat().st_uid for path in dataset.iterdir()} == {568}
