"""scripts/image: what it asks Docker for, and with an engine, the images and files that it makes."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container.registry import digest, docker, remove

ROOT = Path(__file__).parents[3]
TARGETS = ("agent", "nvidia", "all", "api")
DOCKERFILE = """\
ARG BASE_IMAGE=scratch
ARG UNUSED=1
FROM ${BASE_IMAGE} AS agent
COPY content /agent
LABEL clipping.test=FOLDER
FROM scratch AS nvidia
COPY content /nvidia
LABEL clipping.test=FOLDER
FROM scratch AS all
COPY content /all
LABEL clipping.test=FOLDER
FROM scratch AS api
COPY content /api
LABEL clipping.test=FOLDER
"""
VERSION = "0.0.1.test"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like the repository, with small images."""
    folder = tmp_path / "checkout"
    for name in ("scripts/image", "deploy/container/images.env"):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "Dockerfile").write_text(DOCKERFILE.replace("FOLDER", str(tmp_path)))
    (folder / "content").write_text("one file")
    return folder


def run(checkout: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("CLIPPING_")}
    return subprocess.run(
        [checkout / "scripts" / "image", *arguments],
        env={**inherited, **environ},
        cwd=checkout.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A folder with a `docker` that records its calls."""
    folder = tmp_path / "fake"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >>{folder}/calls\n')
    program.chmod(0o755)
    return folder


def calls(checkout: Path, fake: Path, *arguments: str, **environ: str) -> list[str]:
    """The calls of docker."""
    done = run(checkout, *arguments, PATH=f"{fake}:{os.environ['PATH']}", **environ)
    assert done.returncode == 0, done.stderr
    return (fake / "calls").read_text().splitlines()


def names(**environ: str) -> list[str]:
    return run(ROOT, "--list", *TARGETS, **environ).stdout.split()


def test_the_version_is_the_package_version() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    version = metadata.get("metadata", "version")
    assert f"\nCLIPPING_VERSION={version}\n" in (ROOT / "deploy/container/images.env").read_text()
    assert names() == [
        f"clipping-agent:{version}",
        f"clipping-agent:{version}-nvidia",
        f"clipping-all:{version}",
        f"clipping-api:{version}",
    ]


def test_registry_and_version_are_taken_from_the_environment() -> None:
    assert names(CLIPPING_REGISTRY="nas.lan:5000/video/", CLIPPING_VERSION="7.1")[:2] == [
        "nas.lan:5000/video/clipping-agent:7.1",
        "nas.lan:5000/video/clipping-agent:7.1-nvidia",
    ]


def test_each_target_is_built_with_its_name(checkout: Path, fake: Path) -> None:
    assert calls(checkout, fake, "agent", "nvidia", CLIPPING_VERSION="7") == [
        "build --target agent --tag clipping-agent:7 .",
        "build --target nvidia --tag clipping-agent:7-nvidia .",
    ]


def test_arguments_of_the_dockerfile_come_from_the_environment(checkout: Path, fake: Path) -> None:
    (call,) = calls(
        checkout, fake, "api", CLIPPING_VERSION="7", BASE_IMAGE="python:3.11", HOME_IMAGE="not an argument",
        DOCKER_BUILD_FLAGS="--network host --quiet",
    )  # fmt: skip
    assert call == (
        "build --network host --quiet --build-arg BASE_IMAGE=python:3.11 --target api --tag clipping-api:7 ."
    )


def test_a_push_and_a_file_of_another_platform(checkout: Path, fake: Path, tmp_path: Path) -> None:
    made = calls(
        checkout, fake, "agent", "--platform", "linux/arm64", "--push", "--output", "out",
        CLIPPING_VERSION="7", CLIPPING_REGISTRY="nas.lan/video/",
    )  # fmt: skip
    assert made == [
        "build --platform linux/arm64 --target agent --tag nas.lan/video/clipping-agent:7 .",
        "push nas.lan/video/clipping-agent:7",
        f"save --output {tmp_path}/out/clipping-agent-7-arm64.tar nas.lan/video/clipping-agent:7",
    ]


def test_several_platforms_are_built_and_pushed_in_one(checkout: Path, fake: Path) -> None:
    (call,) = calls(
        checkout, fake, "all", "--push", "--platform", "linux/amd64,linux/arm64", CLIPPING_VERSION="7"
    )
    assert (
        call == "buildx build --push --platform linux/amd64,linux/arm64 --target all --tag clipping-all:7 ."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "image: name a target: agent, nvidia, all or api\n"),
        (["agnet"], "image: no target agnet: agent, nvidia, all or api\n"),
        (["--out", "x"], "image: unknown option --out: see scripts/image --help\n"),
        (["agent", "--output"], "image: --output needs a value: see scripts/image --help\n"),
        (
            ["agent", "--platform", "linux/amd64,linux/arm64"],
            "image: several platforms make one image only in a registry: add --push\n",
        ),
    ],
)
def test_mistakes_are_named_before_anything_is_built(
    checkout: Path, fake: Path, arguments: list[str], message: str
) -> None:
    done = run(checkout, *arguments, PATH=f"{fake}:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (2, message)
    assert not (fake / "calls").exists()


def test_help_says_what_the_options_do() -> None:
    done = run(ROOT, "--help")
    assert done.returncode == 0
    for word in ("--output", "--push", "--platform", "--list", "PYTHON_IMAGE", "DOCKER_BUILD_FLAGS"):
        assert word in done.stdout
    assert "set -eu" not in done.stdout


@pytest.fixture
def built(engine: None, checkout: Path, tmp_path: Path) -> Iterator[Path]:
    """The folder; what was built is removed afterwards."""
    yield checkout
    remove(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("buildkit", ["0", "1"])
def test_a_saved_image_is_imported_with_its_name(built: Path, tmp_path: Path, buildkit: str) -> None:
    done = run(
        built, "agent", "nvidia", "--output", "out", CLIPPING_VERSION=VERSION, DOCKER_BUILDKIT=buildkit
    )  # fmt: skip
    if "buildx component is missing" in done.stderr:
        pytest.skip("this docker has no BuildKit: buildx is not installed")
    assert done.returncode == 0, done.stdout + done.stderr
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [f"clipping-agent-{VERSION}-nvidia.tar", f"clipping-agent-{VERSION}.tar"]
    with tarfile.open(tmp_path / "out" / files[1]) as saved:
        manifest = saved.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == [f"clipping-agent:{VERSION}"]
    docker("rmi", f"clipping-agent:{VERSION}")
    loaded = docker("load", "--input", str(tmp_path / "out" / files[1]))
    assert loaded.stdout == f"Loaded image: clipping-agent:{VERSION}\n"


@pytest.mark.slow
def test_a_push_arrives_in_the_registry(built: Path, local_registry: str) -> None:
    done = run(built, "api", "--push", CLIPPING_VERSION=VERSION, CLIPPING_REGISTRY=f"{local_registry}/video/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert digest(local_registry, "video/clipping-api", VERSION).startswith("sha256:")
