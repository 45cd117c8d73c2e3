"""Room for a clip's file, and the begin of its way to the disk."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cutting.writing.disk import reserve, start_write_back

SIZE = 8 << 20
_CACHESTAT = 451
"""The number of the system call, the same on all current architectures."""


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "clip", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def test_a_reserved_file_has_its_size_and_its_room(descriptor: int) -> None:
    reserve(descriptor, SIZE)
    status = os.fstat(descriptor)
    assert status.st_size == SIZE
    assert status.st_blocks * 512 >= SIZE


def test_too_little_room_is_known_before_anything_is_written(descriptor: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, before[1]))
    try:
        with pytest.raises(OSError, match="no room") as raised:
            reserve(descriptor, SIZE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.errno == errno.EFBIG
    assert os.fstat(descriptor).st_size == 0


def test_a_file_system_that_can_reserve_nothing_gives_the_size_only(tmp_path: Path) -> None:
    """ramfs, mounted in a namespace that ends with the command."""
    code = (
        "import os, sys; from agent.cutting.writing.disk import reserve, start_write_back; "
        "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); "
        f"reserve(file, {SIZE}); start_write_back(file, 0, 0); "
        "print(os.fstat(file).st_size, os.fstat(file).st_blocks)"
    )
    mount = f"mount -t ramfs none '{tmp_path}' || exit 77; exec \"$@\""
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-c", code, f"{tmp_path}/clip"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path.cwd())
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    assert done.stdout.split() == [str(SIZE), "0"], done.stderr


def dirty_pages(descriptor: int) -> int:
    """How many pages of a file are not on their way to the disk yet (cachestat(2))."""
    counts = ctypes.create_string_buffer(5 * 8)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_CACHESTAT, descriptor, struct.pack("QQ", 0, 0), counts, 0) != 0:
        pytest.skip(f"the kernel does not count pages: {os.strerror(ctypes.get_errno())}")
    return int(struct.unpack("5Q", counts.raw)[1])


def test_pages_are_on_their_way_to_the_disk_without_an_fsync(descriptor: int) -> None:
    os.pwrite(descriptor, os.urandom(SIZE), 0)
    if not dirty_pages(descriptor):
        pytest.skip("this file system keeps no pages to be written")
    start_write_back(descriptor, 0, SIZE // 2)
    assert dirty_pages(descriptor) <= SIZE // 2 // os.sysconf("SC_PAGE_SIZE")
    start_write_back(descriptor, 0, 0)
    assert dirty_pages(descriptor) == 0
