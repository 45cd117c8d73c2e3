"""scripts/pin-images, with a real engine and a real registry; mistakes also without."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container.registry import build, digest, docker, remove

ROOT = Path(__file__).parents[3]


def run(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "pin-images", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def base(local_registry: str, tmp_path: Path) -> Iterator[str]:
    """An image for two kinds of processors, in a registry."""
    name = f"{local_registry}/base:1"
    publish(name, tmp_path, arm64="first")
    yield name
    remove(tmp_path)


def publish(name: str, folder: Path, *, arm64: str) -> None:
    """Make the tag refer to a new index, in which the image of amd64 never changes."""
    for architecture, content in (("amd64", "the same"), ("arm64", arm64)):
        build(f"{name}-{architecture}", content, folder, architecture=architecture)
        docker("push", f"{name}-{architecture}")
    docker("manifest", "create", "--insecure", name, f"{name}-amd64", f"{name}-arm64")
    docker("manifest", "push", "--insecure", "--purge", name)


def dockerfile(folder: Path, image: str) -> Path:
    path = folder / "Dockerfile"
    path.write_text(
        f"# Bases\nARG BASE_IMAGE={image}\nARG OTHER=python:3\nFROM ${{BASE_IMAGE}} AS first\nFROM first\n"
    )
    return path


@pytest.mark.slow
def test_the_digest_is_that_of_the_index_and_follows_the_tag(base: str, tmp_path: Path) -> None:
    path = dockerfile(tmp_path, base)
    path.chmod(0o640)
    unpinned = path.read_text()
    address = base.partition("/")[0]

    checked = run("--check", path)
    assert (checked.returncode, checked.stderr) == (1, f"{base}: not pinned: run scripts/pin-images\n")
    assert path.read_text() == unpinned

    first = digest(address, "base", "1")
    assert run(path).stdout == f"{base}: pinned to {first}\n"
    assert path.read_text() == unpinned.replace(base, f"{base}@{first}")
    assert path.stat().st_mode & 0o777 == 0o640
    assert run("--check", path).stdout == f"{base}: up to date\n"
    docker("build", "--file", str(path), "--tag", f"{base}-built", str(tmp_path))

    # Only arm64 has a new image. Docker now has two digests for that of this machine.
    publish(base, tmp_path, arm64="second")
    path = dockerfile(tmp_path, f"{base}@{first}")
    checked = run("--check", path)
    assert (checked.returncode, checked.stderr) == (1, f"{base}: outdated: run scripts/pin-images\n")
    second = digest(address, "base", "1")
    assert run(path).stdout == f"{base}: pinned to {second}\n"
    assert first != second
    assert f"ARG BASE_IMAGE={base}@{second}\n" in path.read_text()


@pytest.mark.slow
def test_an_image_that_the_registry_lacks_changes_nothing(local_registry: str, tmp_path: Path) -> None:
    path = dockerfile(tmp_path, f"{local_registry}/base:2")
    before = path.read_text()
    done = run(path)
    assert done.returncode == 2
    assert f"pin-images: {local_registry}/base:2: no digest (is the registry reachable?)\n" in done.stderr
    assert path.read_text() == before


def test_the_digest_is_asked_of_buildx_where_there_is_one(tmp_path: Path) -> None:
    program = tmp_path / "docker"
    found = "sha256:" + "a1" * 32
    # As buildx prints it, with the digests of the processors below.
    program.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "buildx version" ] && exit\n'
        '[ "$*" = "buildx imagetools inspect python:3.12" ] || exit 1\n'
        "echo 'Name:      docker.io/library/python:3.12'\n"
        "echo 'MediaType: application/vnd.oci.image.index.v1+json'\n"
        f"echo 'Digest:    {found}'\n"
        "echo 'Manifests:'\n"
        f"echo '  Name:      docker.io/library/python:3.12@sha256:{'b2' * 32}'\n"
    )
    program.chmod(0o755)
    path = dockerfile(tmp_path, "python:3.12@sha256:" + "0" * 64)
    done = run(path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.stdout == f"python:3.12: pinned to {found}\n", done.stderr
    assert f"ARG BASE_IMAGE=python:3.12@{found}\n" in path.read_text()


def test_mistakes_are_named(tmp_path: Path) -> None:
    assert run("--chek").stderr == "pin-images: unknown option --chek: see scripts/pin-images --help\n"
    assert run(tmp_path / "none").stderr == f"pin-images: there is no file {tmp_path}/none\n"
    path = tmp_path / "Dockerfile"
    path.write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    done = run(path)
    assert done.returncode == 2
    assert done.stderr == (
        "pin-images: FROM uses BASE_IMAGE, but no ARG BASE_IMAGE=IMAGE:TAG gives it a default\n"
    )


def test_help_says_what_it_does() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--check" in done.stdout
    assert "set -eu" not in done.stdout
