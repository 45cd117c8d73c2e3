"""The locked requirements: complete, with hashes, the same versions in all sets, and independent of a
machine."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
EXTRAS = {
    "agent": ["agent"],
    "api": ["api", "postgres"],
    "dev": ["dev"],
    "ffmpeg": ["ffmpeg"],
    "runtime": ["runtime"],
    "s3": ["s3"],
}
"""The extras in each set."""
ADDED = ("ffmpeg",)
"""Sets that are installed in addition to another one, and lack the common packages."""
PYTHONS = ("3.11", "3.12", "3.13")


def blocks(name: str) -> list[str]:
    """One string per package: its line with its continuation lines."""
    text = (FOLDER / f"{name}.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def locked(name: str) -> dict[str, Requirement]:
    requirements = [Requirement(block.partition(" --hash")[0]) for block in blocks(name)]
    return {canonicalize_name(each.name): each for each in requirements}


def declared(extra: str | None) -> list[Requirement]:
    """The requirements in setup.cfg, with references between extras resolved."""
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    if extra is None:
        text = metadata.get("options", "install_requires")
    else:
        text = metadata.get("options.extras_require", extra)
    return [Requirement(line) for line in text.splitlines() if line]


@pytest.mark.parametrize("name", ["build", *EXTRAS])
def test_every_package_is_pinned_and_has_hashes(name: str) -> None:
    for block in blocks(name):
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}\b", block), block


@pytest.mark.parametrize("name", EXTRAS)
def test_the_sets_contain_the_requirements_of_setup_cfg(name: str) -> None:
    packages = locked(name)
    always = [] if name in ADDED else declared(None)
    for wanted in [*always, *(each for extra in EXTRAS[name] for each in declared(extra))]:
        found = packages.get(canonicalize_name(wanted.name))
        assert found is not None, f"{wanted} is missing in requirements/{name}.txt: run scripts/lock"
        (specifier,) = found.specifier
        assert wanted.specifier.contains(specifier.version), f"{found} is not {wanted}: run scripts/lock"
        for python in PYTHONS:
            environment = {"python_version": python, "python_full_version": f"{python}.0"}
            assert found.marker is None or found.marker.evaluate(environment), f"{found} on Python {python}"


def test_every_extra_is_in_a_set() -> None:
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    packages = {name for each in EXTRAS for name in locked(each)}
    for extra in metadata.options("options.extras_require"):
        missing = {canonicalize_name(each.name) for each in declared(extra)} - packages
        assert not missing, f"extra {extra}: {missing}"


def test_deployed_and_tested_versions_are_equal() -> None:
    tested = locked("dev")
    for name in ("agent", "api", "ffmpeg", "runtime"):
        for package, requirement in locked(name).items():
            assert requirement.specifier == tested[package].specifier, f"{package} in {name}.txt and dev.txt"


def test_the_build_backend_is_the_declared_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (wanted,) = [Requirement(line) for line in project["build-system"]["requires"]]
    (found,) = locked("build").values()
    (specifier,) = found.specifier
    assert wanted.name == found.name
    assert wanted.specifier.contains(Version(specifier.version))


@pytest.mark.parametrize("name", ["build", *EXTRAS])
def test_they_contain_no_urls_or_paths(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|[ =]/\w", text)
