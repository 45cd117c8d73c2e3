"""A registry on this machine, and images to put there; without a base image, so that no network is needed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.waiting import eventually

DOCKER_SECONDS = 120
PROGRAM = "docker-registry"


def docker(*arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `docker` with these arguments, and this on its standard input."""
    return subprocess.run(
        ["docker", *arguments],
        # `docker manifest` combines images, not indexes, which is what those with attestations are.
        env={**os.environ, "DOCKER_CLI_EXPERIMENTAL": "enabled", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        input=text,
        capture_output=True,
        text=True,
        timeout=DOCKER_SECONDS,
        check=check,
    )


def no_engine() -> str | None:
    """Why images can't be built here; None if they can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    done = docker("info", "--format", "{{.ServerVersion}}", check=False)
    lines = done.stderr.strip().splitlines()
    return f"no Docker Engine answers: {lines[-1] if lines else ''}" if done.returncode else None


def no_registry() -> str | None:
    """Why there can be no registry here; None if there can."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed (Debian: apt install {PROGRAM})"
    return None


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A registry on a loopback address, to which Docker speaks without TLS: its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    configuration = folder / "registry.yml"
    configuration.write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/images}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    with (folder / "registry.log").open("wb") as log:
        server = subprocess.Popen([PROGRAM, "serve", str(configuration)], stdout=log, stderr=log)

    def answers() -> bool:
        assert server.poll() is None, (folder / "registry.log").read_text()
        try:
            return requests.get(f"http://{address}/v2/", timeout=10).ok
        except requests.ConnectionError:
            return False

    try:
        eventually(answers, "the registry")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def digest(address: str, image: str, tag: str) -> str:
    """What a tag refers to, according to the registry: an index if it has one."""
    kinds = (
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    )
    single = "application/vnd.docker.distribution.manifest.v2+json"
    answer = requests.head(
        f"http://{address}/v2/{image}/manifests/{tag}",
        headers={"Accept": ", ".join((*kinds, single))},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.headers["Docker-Content-Digest"]


def build(name: str, content: str, folder: Path, *, architecture: str = "amd64") -> None:
    """Build an image with one file and nothing else."""
    (folder / "content").write_text(content)
    (folder / "Dockerfile.one").write_text(
        f"FROM scratch\nCOPY content /content\nLABEL clipping.test={folder}\n"
    )
    docker(
        "build", "--platform", f"linux/{architecture}", "--tag", name,
        "--file", str(folder / "Dockerfile.one"), str(folder),
    )  # fmt: skip


def remove(folder: Path) -> None:
    """Remove the images with this label, also those that lost their name."""
    label = f"label=clipping.test={folder}"
    listed = docker("images", "--filter", label, "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    names = [name for name in listed if "<none>" not in name]
    if names:
        docker("rmi", "--force", *names)
    docker("image", "prune", "--force", "--filter", label)
