"""The images for arm64 need no compiler: each locked package has a wheel for it, or is pure Python."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SETS = ("agent", "api", "runtime", "ffmpeg")
"""The sets of packages that images are made of."""
SOURCE = ("sdnotify",)
"""Packages that are published as source alone."""
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
"""What Debian 12, with glibc 2.36, and everything newer can install."""
PIP_SECONDS = 500
COMPILED = (".c", ".cc", ".cpp", ".h", ".pyx", ".rs", ".f90")


def download(folder: Path, *options: str) -> list[Path]:
    """The files that pip downloads. Skips without a package index."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps",
            "--require-hashes", "--dest", str(folder), *options,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PIP_SECONDS,
        check=False,
    )  # fmt: skip
    if "NewConnectionError" in done.stderr or "Temporary failure in name resolution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return sorted(folder.iterdir())


def requirements(folder: Path, *, source: bool) -> Path:
    """Those packages of all sets that are published as source alone, or the others."""
    files = [(ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ") for name in SETS]
    lines = {line for text in files for line in text.splitlines() if re.match(r"\w", line)}
    path = folder / "requirements.txt"
    path.write_text("\n".join(line for line in sorted(lines) if line.startswith(SOURCE) is source) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.sampled(slow=2)
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_packages_have_wheels_for_arm64(python: str, tmp_path: Path) -> None:
    path = requirements(tmp_path, source=False)
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    options = ["--python-version", python, "--implementation", "cp", *platforms, "--only-binary", ":all:"]
    wheels = download(tmp_path / "wheels", *options, "--requirement", str(path))
    assert wheels
    for wheel in wheels:
        assert re.search(r"-(any|[\w.]*manylinux\w*_aarch64[\w.]*)\.whl$", wheel.name), wheel.name
    total = sum(wheel.stat().st_size for wheel in wheels)
    print(f"Python {python}: {len(wheels)} wheels, {total / 1e6:.1f} MB")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_comes_as_source_is_pure_python(tmp_path: Path) -> None:
    path = requirements(tmp_path, source=True)
    # What builds them is installed already, and is the locked one in the images.
    options = ["--no-binary", ":all:", "--no-build-isolation", "--requirement", str(path)]
    sources = download(tmp_path / "sources", *options)
    assert len(sources) == len(SOURCE)
    for source in sources:
        with tarfile.open(source) as archive:
            compiled = [name for name in archive.getnames() if name.endswith(COMPILED)]
        assert not compiled, f"{source.name}: {compiled}"
