"""kill -9 at random times."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipping.errors import ObjectExists
from clipping.store.local import LocalStore
from tests.support.waiting import eventually

WRITER = """
import hashlib, os, sys
from pathlib import Path
from clipping.store.local import LocalStore
folder, name = Path(sys.argv[1]), sys.argv[2]
store = LocalStore(folder / "store", public_url="http://x")
version = None
print("ready", flush=True)
for turn in range(100000):
    data = os.urandom(1000 + turn % 7 * 1000)
    source = folder / f"source-{name}"
    source.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    store.create(f"clips/{name}/{turn}.mp4", source, content_type="video/mp4", metadata={"sha256": digest})
    version = store.replace(f"ha/{name}.json", digest.encode() * 10, expected=version).version
    if turn % 3 == 0:
        store.delete(f"clips/{name}/{turn}.mp4")
"""

COPIER = """
import sys
from pathlib import Path
from clipping.store.local import LocalStore
store = LocalStore(Path(sys.argv[1]), public_url="http://x")
store.create(sys.argv[2], Path(sys.argv[3]), content_type="video/mp4", metadata={})
"""


def _store(folder: Path) -> LocalStore:
    return LocalStore(folder / "store", public_url="http://x")


def test_objects_visible_after_a_kill_are_complete(tmp_path: Path) -> None:
    chance, seen = random.Random(7), 0
    for turn in range(12):
        command = [sys.executable, "-c", WRITER, str(tmp_path), f"w{turn}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            store = _store(tmp_path)
            eventually(
                lambda turn=turn, store=store: len(store.list(f"clips/w{turn}/", limit=10).objects) == 10
            )
            time.sleep(chance.uniform(0.05, 0.4))
            writer.kill()
        clips = store.list(f"clips/w{turn}/", limit=100_000).objects
        for info in clips:
            found = store.get(info.key)
            assert found is not None
            assert hashlib.sha256(found[0]).hexdigest() == info.metadata["sha256"]
        lease = store.get(f"ha/w{turn}.json")
        assert lease is None or lease[0] == lease[0][:64] * 10
        # The next writer is not hindered, neither by the lock nor by what is left.
        last = max((int(info.key.rpartition("/")[2].removesuffix(".mp4")) for info in clips), default=-1)
        for number in range(last + 1, last + 4):
            source = tmp_path / "retry"
            source.write_bytes(b"retry")
            store.create(f"clips/w{turn}/{number}.mp4", source, content_type="video/mp4", metadata={})
        store.replace(f"ha/w{turn}.json", b"next", expected=lease[1].version if lease else None)
        seen += len(clips)
    assert seen > 100, "the writers were killed before they wrote"


def test_a_copy_that_was_killed_half_way_is_invisible_and_can_be_repeated(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to copy from")
    size = 256 << 20
    source = shared / f"clipping-test-{os.getpid()}"
    with source.open("wb") as file:
        file.truncate(size)
        file.write(b"begin")
    store = _store(tmp_path)
    temporary = tmp_path / "store" / "tmp"
    try:
        for turn in range(20):
            key = f"clips/h/{turn}.mp4"
            command = [sys.executable, "-c", COPIER, str(tmp_path / "store"), key, str(source)]
            with subprocess.Popen(command) as copier:
                eventually(
                    lambda copier=copier: (
                        copier.poll() is not None  # type: ignore[misc]
                        or any(path.stat().st_size for path in temporary.iterdir())
                    ),
                    every=0.0005,
                )
                copier.kill()
            if store.stat(key) is None:
                break
            store.delete(key)
        else:
            pytest.fail("every copy was done before it could be killed")
        assert store.list("").objects == ()
        assert store.open_object(key) is None
        store.create(key, source, content_type="video/mp4", metadata={})
        info = store.stat(key)
        assert info is not None
        assert info.size == size
        with pytest.raises(ObjectExists):
            store.create(key, source, content_type="video/mp4", metadata={})
    finally:
        source.unlink()
