"""The spool belongs to one agent, is empty when nothing is in flight, and never fills the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.resources.spool import Spool, StateDirInUse
from clipping.errors import ConfigurationError, NoSpace


def test_a_folder_is_gone_when_the_clip_is_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path, min_free_bytes=0)
    with spool.folder("clip-1") as folder:
        (folder / "clip.mp4.part").write_bytes(b"x")
    assert not folder.exists()
    with pytest.raises(FileNotFoundError), spool.folder("clip-1") as folder:
        (folder / "no such folder" / "clip.mp4.part").write_bytes(b"x")
    assert not folder.exists()
    spool.close()


def test_what_a_crash_left_is_removed_at_the_start(tmp_path: Path) -> None:
    left = tmp_path / "spool" / "clip-old"
    left.mkdir(parents=True)
    (left / "clip.mp4.part").write_bytes(b"x" * 1000)
    Spool(tmp_path, min_free_bytes=0).close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_two_agents_cannot_share_one(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        with pytest.raises(StateDirInUse, match=f"in use by process {owner.pid} .*: stop it, or set"):
            Spool(tmp_path, min_free_bytes=0)
        owner.kill()
        owner.wait(10)
        Spool(tmp_path, min_free_bytes=0).close()  # a killed agent leaves no lock behind
    finally:
        owner.kill()
        owner.communicate()


HOLD = """
import sys
from pathlib import Path
from agent.resources.spool import Spool, StateDirInUse
spool = Spool(Path(sys.argv[1]), min_free_bytes=0)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_nearly_full_disk_takes_no_clip(tmp_path: Path) -> None:
    spool = Spool(tmp_path, min_free_bytes=1 << 60)
    with pytest.raises(NoSpace, match="make room"), spool.folder("clip-1"):
        pass
    assert list((tmp_path / "spool").iterdir()) == []
    spool.close()


def test_a_state_dir_that_is_a_file_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"agent\.state_dir"):
        Spool(tmp_path / "file", min_free_bytes=0)


def test_a_disk_that_is_full_or_can_not_be_written_is_reported(tmp_path: Path) -> None:
    spool = Spool(tmp_path, min_free_bytes=0)
    assert "MB free" in spool.look()
    spool.min_free_bytes = 10**15  # as a reload may set it
    with pytest.raises(NoSpace, match="make room on that disk"):
        spool.look()
    spool.min_free_bytes = 0
    (tmp_path / "look").mkdir()  # in the way of the file that is written: read-only even to root
    with pytest.raises(NoSpace, match="can't be written"):
        spool.look()
    (tmp_path / "look").rmdir()
    assert "MB free" in spool.look()
    spool.close()
