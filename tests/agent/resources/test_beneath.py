"""A file below an open folder is opened without following links, with both system calls."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.resources.beneath import open_beneath, open_stepwise

WAYS: tuple[Callable[[int, str], int], ...] = (open_beneath, open_stepwise)
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    (root / "a" / "out").symlink_to("../../secret")
    (root / "a" / "in").symlink_to("b/file")
    (root / "folder").symlink_to("a")
    (root / "absolute").symlink_to(tmp_path / "secret")
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@each_way
def test_a_file_is_opened_and_can_be_read_by_its_descriptor(
    way: Callable[[int, str], int], folder: int
) -> None:
    descriptor = way(folder, "a/b/file")
    try:
        assert Path(f"/proc/self/fd/{descriptor}").read_text() == "inside"
    finally:
        os.close(descriptor)


@each_way
@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("a/out", errno.ELOOP),
        ("a/in", errno.ELOOP),
        ("folder/b/file", errno.ELOOP),
        ("absolute", errno.ELOOP),
        ("../secret", errno.EXDEV),
        ("/etc/passwd", errno.EXDEV),
        ("a/none", errno.ENOENT),
        ("a/b/file/x", errno.ENOTDIR),
        ("x" * 300, errno.ENAMETOOLONG),
    ],
)
def test_everything_else_is_an_error(
    way: Callable[[int, str], int], folder: int, path: str, number: int
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError) as caught:
        way(folder, path)
    assert caught.value.errno == number
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_the_kernel_has_no_openat2_it_is_opened_step_by_step(
    folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.resources.beneath._OPENAT2", 100_000)  # no such system call
    descriptor = open_beneath(folder, "a/b/file")
    os.close(descriptor)
    with pytest.raises(OSError) as caught:
        open_beneath(folder, "folder/b/file")
    assert caught.value.errno == errno.ELOOP
