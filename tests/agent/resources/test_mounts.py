"""A NAS that is no longer mounted is detected without a marker."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.resources.mounts import MountMemory
from agent.resources.sources import check_mounted, open_below
from clipping.config import NasRoot
from clipping.errors import SourceNotFound, SourceUnavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that is a mount (of /proc, as every machine has it), until the link leads elsewhere."""
    if Path("/proc").stat().st_dev == Path("/").stat().st_dev:
        pytest.skip("/proc is no mount here")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "left-behind").touch()
    (tmp_path / "root").symlink_to("/proc")
    return tmp_path / "root"


def unmount(root: Path) -> None:
    root.unlink()
    root.symlink_to(root.parent / "below")


def test_a_root_that_was_a_mount_is_missed(root: Path) -> None:
    mounts, config = MountMemory(), NasRoot(path=str(root))
    check_mounted(config, mounts)
    unmount(root)
    with pytest.raises(SourceUnavailable, match="no longer a mount point"):
        check_mounted(config, mounts)
    with pytest.raises(SourceUnavailable, match="no longer a mount point"):
        open_below(str(root / "night.mp4"), [config], mounts=mounts)


def test_a_root_that_never_was_a_mount_need_not_be_one(root: Path) -> None:
    mounts, config = MountMemory(), NasRoot(path=str(root))
    unmount(root)
    check_mounted(config, mounts)
    with pytest.raises(SourceNotFound):
        open_below(str(root / "night.mp4"), [config], mounts=mounts)
