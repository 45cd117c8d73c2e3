"""What to install: a checkout or a wheel, and the packages it requires with their hashes."""

from __future__ import annotations

import hashlib
import re
import shutil
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

from installer.console import InstallError
from installer.layout import HERE

PACKAGES = ("clipping", "health", "agent", "api", "embedded", "console")
BUILD_FILES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
LOCKS = ("build.txt", "agent.txt", "ffmpeg.txt")
"""The requirement files that are installed before the project, in this order: the build backend first."""
FFMPEG_LOCK = LOCKS[-1]
"""Installed only on machines without a usable ffmpeg."""
_WHEEL = re.compile(r"clipping_service-([^-]+)-[^/]*\.whl")


@dataclass(frozen=True)
class Source:
    """A version of the agent. `name` identifies its content: the same content has the same name."""

    path: Path
    name: str
    wheels: Path | None
    """The folder that pip installs every package from. None: the package index."""
    locks: Path
    """The folder with the files named in `requirements`."""
    requirements: tuple[str, ...] = LOCKS
    """The members of `LOCKS` to install."""

    def project(self, scratch: Path) -> Path:
        """The path for pip to install. A checkout is copied to `scratch`, because a build writes into it."""
        path = self.path
        if path.is_dir():
            path = scratch / "source"
            path.mkdir()
            for name in BUILD_FILES:
                shutil.copy(self.path / name, path / name)
            for name in PACKAGES:
                shutil.copytree(self.path / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
        return path


def find_source(given: Path | None, wheels: Path | None, *, with_ffmpeg: bool = True) -> Source:
    """`given`, or else the clipping-service wheel in `wheels`, or else the checkout that contains this file.

    `with_ffmpeg`: also install the imageio-ffmpeg package. Raises `InstallError`.
    """
    if wheels is not None and not wheels.is_dir():
        raise InstallError(f"{wheels} is not a folder of wheels")
    requirements = LOCKS if with_ffmpeg else tuple(name for name in LOCKS if name != FFMPEG_LOCK)
    path = given or (_wheel_in(wheels) if wheels is not None else HERE.parents[1])
    if _WHEEL.fullmatch(path.name) and path.is_file():
        locks = _locks(wheels or HERE.parents[1] / "requirements")
        return Source(path.resolve(), _wheel_name(path, locks, requirements), wheels, locks, requirements)
    if not (path / "setup.cfg").is_file() or not (path / "agent").is_dir():
        raise InstallError(
            f"{path} is neither a checkout nor a wheel of clipping-service; name one, or pass --wheels DIR"
        )
    if wheels is not None:
        raise InstallError(
            "--wheels requires a clipping-service wheel: a checkout can't be built without the index"
        )
    locks = _locks(path.resolve() / "requirements")
    return Source(path.resolve(), _checkout_name(path, locks, requirements), None, locks, requirements)


def _locks(folder: Path) -> Path:
    for name in LOCKS:
        if not (folder / name).is_file():
            raise InstallError(
                f"{folder / name} is missing: it pins the packages and their hashes; "
                f"`scripts/wheels DIR` in a checkout makes a folder for --wheels"
            )
    return folder


def _wheel_in(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if _WHEEL.fullmatch(path.name))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InstallError(
            f"{folder} must contain exactly one clipping-service wheel; found: {names}. "
            f"`scripts/wheels DIR` in a checkout makes such a folder"
        )
    return found[0]


def _wheel_name(path: Path, locks: Path, requirements: tuple[str, ...]) -> str:
    match = _WHEEL.fullmatch(path.name)
    assert match is not None
    digest = _digest_of_locks(locks, requirements)
    digest.update(path.read_bytes())
    return f"{match[1]}-{digest.hexdigest()[:12]}"


def _digest_of_locks(locks: Path, requirements: tuple[str, ...]) -> hashlib._Hash:
    digest = hashlib.sha256()
    for name in requirements:
        content = (locks / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest


def _checkout_name(path: Path, locks: Path, requirements: tuple[str, ...]) -> str:
    digest = _digest_of_locks(locks, requirements)
    for name in (*BUILD_FILES, *PACKAGES):
        for file in sorted([path / name] if (path / name).is_file() else (path / name).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                digest.update(f"{file.relative_to(path)} {len(content)}\n".encode() + content)
    metadata = ConfigParser(interpolation=None)
    metadata.read(path / "setup.cfg", encoding="utf-8")
    return f"{metadata['metadata']['version']}-{digest.hexdigest()[:12]}"
