"""What the Dockerfile says about each image. The images themselves: `test_containers.py`."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from clipping.config import validate
from tests.deploy.container.dockerfile import ROOT, copied, environment, ignored, instructions, stages

TARGETS = ("agent", "nvidia", "all", "api")


def test_the_default_target_is_the_api() -> None:
    assert list(stages())[-1] == "api"


def test_the_build_context_is_what_the_dockerfile_copies() -> None:
    for target in TARGETS:
        for source in copied(target):
            assert (ROOT / source).exists()
            assert not ignored(source), source
    for other in (
        "tests",
        "bench",
        "docs",
        ".git",
        "config.yaml",
        "shared",
        "deploy/systemd",
        "deploy/cloudrun",
    ):
        assert ignored(other)
    assert ignored("api/__pycache__/app.cpython-312.pyc")


@pytest.mark.parametrize(
    ("target", "packages"),
    [
        ("api", {"clipping", "api", "console"}),
        ("agent", {"clipping", "health", "agent", "console"}),
        ("nvidia", {"clipping", "health", "agent", "console"}),
        ("all", {"clipping", "health", "agent", "api", "embedded", "console"}),
    ],
)
def test_an_image_holds_only_its_packages(target: str, packages: set[str]) -> None:
    assert set(copied(target)) & {"clipping", "health", "agent", "api", "embedded", "console"} == packages


@pytest.mark.parametrize("target", TARGETS)
def test_every_package_is_installed_with_its_hash(target: str) -> None:
    lines = [line for stage in stages().values() for word, line in stage.lines if word == "RUN"]
    for command in [part for line in lines for part in line.split("&&") if "pip install" in part]:
        assert "--require-hashes" in command or re.search(r"--no-deps --no-build-isolation \.\s*$", command)
    for name in re.findall(r"requirements/(\w+\.txt)", " ".join(lines)):
        assert (ROOT / "requirements" / name).exists()


@pytest.mark.parametrize("target", TARGETS)
def test_the_environment_is_valid_configuration(target: str) -> None:
    tree: dict[str, dict[str, object]] = {}
    for name, value in environment(target).items():
        if name.startswith("CLIPPING_") and "__" in name:
            section, _, key = name.removeprefix("CLIPPING_").lower().partition("__")
            tree.setdefault(section, {})[key] = yaml.safe_load(value)
    tree.setdefault("api", {})["keys"] = [{"name": "x", "role": "client", "sha256": "0" * 64}]
    validate(tree)


@pytest.mark.parametrize("target", ["agent", "nvidia", "all"])
def test_the_volume_is_the_one_that_the_entrypoint_prepares(target: str) -> None:
    assert instructions(target, "VOLUME") == [environment(target)["CLIPPING_VOLUME"]]
    assert instructions(target, "ENTRYPOINT") == ['["as-user"]']


def test_the_api_is_not_root() -> None:
    (user,) = instructions("api", "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.parametrize("target", TARGETS)
def test_the_health_check_is_a_command_of_the_image(target: str) -> None:
    (line,) = instructions(target, "HEALTHCHECK")
    words = json.loads(line.partition(" CMD ")[2])
    program = {"clipping-agent": "agent", "clipping-api": "api"}[words[0]]
    assert program in copied(target)


def test_the_nvidia_image_has_no_intel_drivers_and_asks_for_the_encoder() -> None:
    assert not any("intel" in line for line in instructions("nvidia", "RUN"))
    assert environment("nvidia")["NVIDIA_DRIVER_CAPABILITIES"].split(",") == ["video", "compute", "utility"]
