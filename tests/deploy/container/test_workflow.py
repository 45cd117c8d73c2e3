"""The workflow for a public host agrees with Dockerfile, images.env and scripts/image. It never runs here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.container.dockerfile import stages

ROOT = Path(__file__).parents[3]
WORKFLOWS = ROOT / ".github" / "workflows"
NAMES = (ROOT / "deploy" / "container" / "images.env").read_text()
TARGETS = {name.lower() for name in re.findall(r"^CLIPPING_IMAGE_([A-Z]+)=", NAMES, re.MULTILINE)}
PLATFORMS = ["linux/amd64", "linux/arm64"]


def workflow(name: str = "images.yml") -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    return found


def commands(job: str) -> list[str]:
    return [step["run"].strip() for step in workflow()["jobs"][job]["steps"] if "run" in step]


def test_the_dockerfile_has_a_target_for_each_name() -> None:
    assert set(stages()) >= TARGETS


def test_each_target_is_built_for_each_platform_on_its_own_kind_of_machine() -> None:
    build = workflow()["jobs"]["build"]
    matrix = build["strategy"]["matrix"]
    assert set(matrix["target"]) == TARGETS
    assert matrix["platform"] == PLATFORMS
    assert "ubuntu-24.04-arm" in build["runs-on"]
    programs = set(re.findall(r"^    (clipping[\w-]*) = ", (ROOT / "setup.cfg").read_text(), re.MULTILINE))
    commands_of = {each["target"]: each["command"] for each in matrix["include"]}
    assert set(commands_of) == TARGETS
    assert set(commands_of.values()) == programs


def test_it_runs_for_pull_requests_for_main_and_for_tags() -> None:
    triggers = workflow()[True]  # YAML 1.1 reads `on` as a boolean
    assert set(triggers) == {"push", "pull_request"}
    assert triggers["push"] == {"branches": ["main"], "tags": ["v*"]}


def test_only_a_tag_publishes_and_only_after_the_tests() -> None:
    jobs = workflow()["jobs"]
    publish = jobs["publish"]
    assert publish["needs"] == ["build", "ci"]
    assert publish["if"] == jobs["ci"]["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert workflow()["permissions"] == {"contents": "read"}
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    ci = workflow("ci.yml")
    assert "workflow_call" in ci[True]
    assert {"run": ".ci/run"} in ci["jobs"]["test"]["steps"]
    pushing = [name for name, job in jobs.items() if "--push" in str(job)]
    assert pushing == ["publish"]


def test_what_is_published_is_what_was_built() -> None:
    (call,) = [command for command in commands("publish") if command.startswith("scripts/image")]
    words = call.split()
    assert words[words.index("--platform") + 1].split(",") == PLATFORMS
    assert set(words[words.index("--platform") + 2 :]) == TARGETS


@pytest.mark.parametrize(
    ("environ", "passes"),
    [
        ({"GITHUB_REF_NAME": "v{version}", "CLIPPING_REGISTRY": "ghcr.io/us/"}, True),
        ({"GITHUB_REF_NAME": "v9.9", "CLIPPING_REGISTRY": "ghcr.io/us/"}, False),
        ({"GITHUB_REF_NAME": "{version}", "CLIPPING_REGISTRY": "ghcr.io/us/"}, False),
        ({"GITHUB_REF_NAME": "v{version}", "CLIPPING_REGISTRY": "//"}, False),
        ({"GITHUB_REF_NAME": "v{version}", "CLIPPING_REGISTRY": "ghcr.io//"}, False),
        ({"GITHUB_REF_NAME": "v{version}", "CLIPPING_REGISTRY": "/us/"}, False),
    ],
)
def test_another_tag_or_no_registry_publishes_nothing(environ: dict[str, str], passes: bool) -> None:
    (version,) = re.findall(r"^CLIPPING_VERSION=(.+)$", NAMES, re.MULTILINE)
    given = {name: value.format(version=version) for name, value in environ.items()}
    first = [command for command in commands("publish") if not command.startswith("scripts/image")]
    codes = [
        subprocess.run(
            ["bash", "-e", "-c", command], cwd=ROOT, env={**os.environ, **given}, check=False, timeout=30
        ).returncode
        for command in first
    ]
    assert (codes == [0, 0]) is passes, codes


def test_actions_are_pinned_to_a_major_version() -> None:
    for name in ("ci.yml", "images.yml"):
        used = re.findall(r"uses: (\S+)", (WORKFLOWS / name).read_text())
        assert used
        assert all(re.search(r"@v\d+$", each) or each.startswith("./") for each in used), used
