"""The versions in /opt: each is a virtual environment that never changes once it is complete."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from installer.console import InstallError, indented, must, report, run
from installer.layout import CURRENT, VERSIONS
from installer.source import Source

PIP_SECONDS = 1800
_COMPLETE = ".complete"


def current() -> Path | None:
    """The active version."""
    try:
        target = Path(os.readlink(CURRENT))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InstallError(
            f"{CURRENT} is not a link made by this installer ({error.strerror}): move or remove it"
        ) from None
    return target if target.is_dir() else None


def program(version: Path) -> Path:
    """The version's `clipping-agent`."""
    return version / "bin" / "clipping-agent"


def build(source: Source) -> Path:
    """The version of `source`, built unless it exists. A failed build leaves no files."""
    version = VERSIONS / source.name
    if (version / _COMPLETE).exists():
        return version
    shutil.rmtree(version, ignore_errors=True)
    VERSIONS.mkdir(parents=True, exist_ok=True)
    origin = source.wheels or "the package index"
    report(f"building {version} from {source.path} with packages of {origin} (a minute or more)")
    try:
        _fill(version, source)
    except BaseException:
        shutil.rmtree(version, ignore_errors=True)
        raise
    return version


def _fill(version: Path, source: Source) -> None:
    must([sys.executable, "-m", "venv", version])
    pip: list[object] = [version / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input"]
    pip += ["--disable-pip-version-check", "--no-cache-dir"]
    if source.wheels is not None:
        pip += ["--no-index", "--find-links", source.wheels]
    # Without build isolation, sources are built with the locked build backend; otherwise pip would
    # fetch one without verifying it.
    build = ["--no-build-isolation", "--use-pep517"]
    steps = [
        [*pip, "--require-hashes", *build, "--requirement", source.locks / name]
        for name in source.requirements
    ]
    with tempfile.TemporaryDirectory(prefix="clipping-install-") as scratch:
        steps.append([*pip, "--no-deps", *build, source.project(Path(scratch))])
        for step in steps:
            done = run(step, timeout=PIP_SECONDS)
            if done.returncode != 0:
                raise InstallError(
                    f"the packages could not be installed; nothing was changed:\n{indented(done)}"
                )
    must([program(version), "--version"])
    (version / _COMPLETE).touch()


def switch(version: Path | None) -> None:
    """Make `version` current, atomically. None: remove the link."""
    if version is None:
        CURRENT.unlink(missing_ok=True)
        return
    temporary = CURRENT.with_name("current.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(version)
    os.replace(temporary, CURRENT)


def discard(version: Path) -> None:
    """Remove a version that is not current."""
    shutil.rmtree(version, ignore_errors=True)


def prune(*keep: Path | None) -> None:
    """Remove every version except those in `keep`."""
    for version in VERSIONS.iterdir():
        if version not in keep:
            report(f"removing {version}")
            shutil.rmtree(version)
