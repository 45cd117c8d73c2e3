"""A Docker Engine and a registry, where this machine has them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container.images import built
from tests.deploy.container.registry import no_engine, no_registry, registry
from tests.deploy.nas import recordings
from tests.support.media import Recording, make


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip where no Docker Engine answers."""
    reason = no_engine()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def local_registry(engine: None, tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    reason = no_registry()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path / "registry"
    folder.mkdir()
    with registry(folder) as address:
        yield address


@pytest.fixture(scope="session")
def images(engine: None, testrun_uid: str) -> None:
    """The images of this checkout; skips where they can't be built, as without a base image or a network."""
    reason = built(testrun_uid)
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a NAS shares it: of another user, group-readable only, with an ACL where there are some."""
    folder = tmp_path_factory.mktemp("share") / "recordings"
    for parent in folder.parents[:3]:
        parent.chmod(0o755)
    recordings(folder, make(Recording(seconds=60)))
    (folder / "season").mkdir()
    (folder / "season" / "night.mp4").write_bytes((folder / "night.mp4").read_bytes())
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1500, 1600)
        path.chmod(0o2755 if path.is_dir() else 0o644)
    if shutil.which("setfacl") is not None:
        subprocess.run(["setfacl", "-m", "u:1700:rwx,g:1800:r-x", folder], check=False)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that run the images as slow."""
    for item in items:
        if "images" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
            # The first one builds them.
            item.add_marker(pytest.mark.timeout(1800))
