"""Whether a root's recordings can be read, on real files of other users."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.checks import root_access
from agent.checks.access import Runner
from agent.checks.root_access import MOST_ENTRIES, check_root
from clipping.config import NasRoot
from clipping.errors import SourceUnavailable
from tests.support.hung_mount import HungMount
from tests.support.users import as_user, give, need_root

HOST = Runner(1000, 1000, (), container=False)
DOCKER = Runner(1000, 1000, (), container=True)


@pytest.fixture
def nas(shared: Path) -> Path:
    root = shared / "nas"
    (root / "2024").mkdir(parents=True)
    (root / "2024" / "night.mp4").write_bytes(b"video")
    return root


def check(path: Path, who: Runner = HOST, **marker: str) -> str:
    return check_root(NasRoot(path=str(path), **marker), who=who)


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """An empty file system."""
    need_root()
    if subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def refused(path: Path, who: Runner = DOCKER) -> str:
    """The message, for uid 1000."""

    def work() -> str:
        try:
            return f"good: {check(path, who)}"
        except SourceUnavailable as error:
            return error.message

    return as_user(1000, [1000], work)


def test_one_file_is_read(nas: Path) -> None:
    assert check(nas) == "mounted, readable: read a byte of 2024/night.mp4"
    assert check(nas, marker="2024") == "mounted, readable: read a byte of 2024/night.mp4"
    with pytest.raises(SourceUnavailable, match=r"its marker \.mounted can't be read"):
        check(nas, marker=".mounted")


def test_a_root_that_can_not_be_listed(nas: Path) -> None:
    give(nas, 1026, 100, 0o750)
    assert refused(nas).startswith(f"{nas} can't be listed: it belongs to 1026:100 with mode 0750")
    assert "set PUID=1026 and PGID=100" in refused(nas)
    assert as_user(1026, [5], lambda: check(nas)).startswith("mounted, readable")
    assert as_user(1000, [1000, 100], lambda: check(nas)).startswith("mounted, readable")


def test_a_folder_above_the_root_that_can_not_be_entered(nas: Path) -> None:
    give(nas.parent, 1026, 100, 0o750)
    assert refused(nas).startswith(f"{nas.parent} can't be entered: it belongs to 1026:100")


def test_a_root_that_can_be_listed_but_not_entered(nas: Path) -> None:
    give(nas, 1026, 100, 0o754)
    assert refused(nas).startswith(f"{nas} can't be entered: ")


def test_a_file_that_can_not_be_read(nas: Path) -> None:
    give(nas / "2024" / "night.mp4", 1026, 100, 0o640)
    assert refused(nas).startswith(
        f"{nas}/2024/night.mp4 can't be read: it belongs to 1026:100 with mode 0640"
    )


def test_what_can_not_be_read_beside_recordings_is_mentioned(nas: Path) -> None:
    (nas / "2023").mkdir()
    give(nas / "2023", 1026, 100, 0o700)
    (nas / "2024" / "a.mp4").write_bytes(b"video")
    give(nas / "2024" / "a.mp4", 1026, 100, 0o600)
    text = refused(nas)
    assert text.startswith("good: mounted, readable: read a byte of 2024/night.mp4")
    for hidden in ("lost+found", "#recycle", "@eaDir", ".Trash"):
        (nas / hidden).mkdir(mode=0o700)
    assert "lost+found" not in refused(nas)


@pytest.mark.parametrize("who", [HOST, DOCKER])
def test_a_root_that_is_not_mounted(shared: Path, who: Runner) -> None:
    missing, empty, file = shared / "missing", shared / "empty", shared / "file"
    empty.mkdir()
    file.touch()
    volume = "mount the recordings there: `volumes: [/volume1/recordings:{}:ro]`"
    for path, expected in (
        (missing, "does not exist: " + ("mount the NAS there" if who is HOST else volume.format(missing))),
        (
            empty,
            "is empty: mount the NAS there"
            if who is HOST
            else "is an empty folder of the image: " + volume.format(empty),
        ),
        (file, "is a file, or below one: agent.nas_roots takes folders"),
        (file / "below", "is a file, or below one"),
    ):
        with pytest.raises(SourceUnavailable) as caught:
            check(path, who)
        assert caught.value.message.startswith(f"{path} {expected}")


def test_an_empty_volume_is_not_an_empty_folder_of_the_image(shared: Path) -> None:
    with mounted(shared), pytest.raises(SourceUnavailable, match="correct the host's side of its volume"):
        check(shared, DOCKER)


def test_folders_without_a_file_are_not_an_error(shared: Path) -> None:
    (shared / "nas" / "a" / "b").mkdir(parents=True)
    assert check(shared / "nas") == "mounted, readable; no file among the first 2 entries"


def test_a_root_with_many_folders_is_not_read_to_its_end(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_access, "MOST_OF_FOLDER", 50)
    monkeypatch.setattr(root_access, "MOST_ENTRIES", 120)
    for number in range(500):
        (shared / "nas" / f"{number:04}").mkdir(parents=True)
    begun = time.monotonic()
    text = check(shared / "nas")
    assert text == "mounted, readable; no file among the first 50 entries"
    for name in os.listdir(shared / "nas"):
        (shared / "nas" / name / "night.mp4").write_bytes(b"video")
    assert "/night.mp4" in check(shared / "nas")
    assert time.monotonic() - begun < 10
    assert MOST_ENTRIES == 2000


def test_a_root_that_hangs_is_given_up(shared: Path) -> None:
    try:
        hung = HungMount(shared)
    except OSError as error:
        pytest.skip(f"can't mount: {error}")
    try:
        begun = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"did not answer within 0\.2 s"):
            check_root(NasRoot(path=str(shared)), who=HOST, timeout=0.2)
        assert time.monotonic() - begun < 5
    finally:
        hung.close()
