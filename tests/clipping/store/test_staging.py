"""The `tmp` folder of a local store: empty after each call, and after the next opening if a writer died."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.local import LocalStore
from tests.clipping.store.stepped import Forks, Stopped

KEY = "clips/h/r.mp4"


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as server:
        yield server


def _store(folder: Path) -> LocalStore:
    return LocalStore(folder / "store", public_url="http://x")


def _temporary(folder: Path) -> list[Path]:
    return list((folder / "store" / "tmp").iterdir())


def _age(folder: Path, seconds: float) -> None:
    for path in _temporary(folder):
        os.utime(path, (time.time() - seconds, time.time() - seconds))


def _source(folder: Path, data: bytes = b"clip") -> Path:
    path = folder / "source"
    path.write_bytes(data)
    return path


def test_nothing_is_left_after_calls_that_succeed_and_calls_that_are_refused(tmp_path: Path) -> None:
    store = _store(tmp_path)
    assert _temporary(tmp_path) == [], "after opening"
    store.create(KEY, _source(tmp_path), content_type="video/mp4", metadata={})
    with pytest.raises(ObjectExists):
        store.create(KEY, _source(tmp_path), content_type="video/mp4", metadata={})
    version = store.replace("ha/lease.json", b"1", expected=None).version
    for expected in (None, "stale"):
        with pytest.raises(VersionMismatch):
            store.replace("ha/lease.json", b"2", expected=expected)
    store.replace("ha/lease.json", b"2", expected=version)
    store.delete("ha/lease.json")
    store.delete(KEY)
    assert _temporary(tmp_path) == []
    assert [path for path in (tmp_path / "store" / "objects").rglob("*") if path.is_file()] == []


def test_a_lease_that_is_renewed_for_long_takes_no_more_room(tmp_path: Path) -> None:
    store = _store(tmp_path)
    version = store.replace("ha/lease.json", b"0", expected=None).version
    for number in range(50):
        version = store.replace("ha/lease.json", b"%d" % number, expected=version).version
    assert len(list((tmp_path / "store" / "objects" / "ha" / "lease.json@").iterdir())) < 12
    assert _temporary(tmp_path) == []


def test_nothing_is_left_when_a_source_is_missing(tmp_path: Path) -> None:
    store = _store(tmp_path)
    with pytest.raises(StoreUnavailable, match=KEY):
        store.create(KEY, tmp_path / "missing", content_type="video/mp4", metadata={})
    assert _temporary(tmp_path) == []
    assert store.stat(KEY) is None


def test_nothing_is_left_of_a_copy_that_fails_half_way(area: Path, tmp_path: Path) -> None:
    if area.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to copy from")
    store, source = _store(area), _source(tmp_path, b"x" * 3_000_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match="File too large"):
            store.create(KEY, source, content_type="video/mp4", metadata={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert _temporary(area) == []
    assert source.stat().st_size == 3_000_000
    store.create(KEY, source, content_type="video/mp4", metadata={})


FULL_DISK = """
import sys
from pathlib import Path
from clipping.errors import StoreUnavailable
from clipping.store.local import LocalStore
folder = Path(sys.argv[1])
store = LocalStore(folder / "store", public_url="http://x")
version = store.replace("ha/lease.json", b"1", expected=None).version
(folder / "source").write_bytes(b"x" * 3_000_000)
filler = open(folder / "store" / "filler", "wb", buffering=0)
def fill():
    try:
        while filler.write(b"x" * 4096): pass
    except OSError: pass
def fails(call):
    try: call()
    except StoreUnavailable as error: assert "No space left" in str(error), error
    else: raise SystemExit("it succeeded on a full disk")
    assert list((folder / "store" / "tmp").iterdir()) == [], list((folder / "store" / "tmp").iterdir())
create = lambda: store.create("clips/h/r.mp4", folder / "source", content_type="a/b", metadata={})
fails(create)  # it gets no further than a part of the data
fill()
fails(create)  # not even the first byte
fails(lambda: store.replace("ha/lease.json", b"2" * 9000, expected=version))
filler.truncate(0)
assert store.get("ha/lease.json")[0] == b"1" and store.stat("clips/h/r.mp4") is None
store.replace("ha/lease.json", b"2", expected=version)
"""


def test_nothing_is_left_when_the_disk_is_full(tmp_path: Path) -> None:
    """On a file system of two megabytes, in a mount namespace of its own."""
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*own_mounts, "true"], timeout=60).returncode:
        pytest.skip("this user may not make mounts of its own")
    (tmp_path / "store").mkdir()
    run = 'mount -t tmpfs -o size=2m none "$1/store" && "$2" -c "$3" "$1"'
    command = [*own_mounts, "sh", "-c", run, "sh", str(tmp_path), sys.executable, FULL_DISK]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_of_a_killed_writer_are_removed_but_not_those_of_a_stopped_one(
    tmp_path: Path, forks: Forks
) -> None:
    _store(tmp_path)
    process = _stopped_with_a_staged_file(tmp_path, forks)
    _age(tmp_path, 7 * 24 * 3600.0)
    store = _store(tmp_path)
    assert len(_temporary(tmp_path)) == 1, "its writer is stopped, and not dead"
    assert isinstance(process.resume(), str)
    assert store.stat(KEY) is not None

    store.delete(KEY)
    process = _stopped_with_a_staged_file(tmp_path, forks)
    process.kill()
    _store(tmp_path)
    assert len(_temporary(tmp_path)) == 1, "too young to say"
    _age(tmp_path, 120)
    store = _store(tmp_path)
    assert _temporary(tmp_path) == []
    store.create(KEY, _source(tmp_path), content_type="video/mp4", metadata={})


def _stopped_with_a_staged_file(folder: Path, forks: Forks) -> Stopped:
    for point in range(100):
        source = str(_source(folder))
        process = forks.start(folder, "create", KEY, stop_before=point, source=source)
        if process.stopped and any((path / "data").exists() for path in _temporary(folder)):
            return process
        process.kill()
        _age(folder, 120)
        _store(folder)
    raise AssertionError("it never staged anything")


def test_on_a_network_file_system_age_decides(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"2 1 0:50 / {tmp_path}/store rw - nfs4 nas:/clips rw\n")
    _store(tmp_path)
    for name in ("old", "young"):
        (tmp_path / "store" / "tmp" / name).mkdir()
        (tmp_path / "store" / "tmp" / name / "data").write_bytes(b"half a clip")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / "store" / "tmp" / "old", (two_days_ago, two_days_ago))
    LocalStore(tmp_path / "store", public_url="http://x", mounts=mounts)
    assert [path.name for path in _temporary(tmp_path)] == ["young"]
