from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.gcs import GcsStore
from clipping.store.port import Store

Answer = TypeVar("Answer")
KEY = "clips/h/r.mp4"


def _together(count: int, work: Callable[[int], Answer]) -> list[Answer]:
    """The results of `work` in several threads that start at the same time."""
    start = threading.Barrier(count)

    def run(number: int) -> Answer:
        start.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_one_of_twenty_concurrent_creates_succeeds(store: Store, tmp_path: Path) -> None:
    def work(number: int) -> bool:
        source = tmp_path / f"source-{number}"
        source.write_bytes(b"%d" % number * 1000)
        try:
            store.create(KEY, source, content_type="video/mp4", metadata={"by": str(number)})
        except ObjectExists:
            return False
        return True

    won = _together(20, work)
    assert won.count(True) == 1
    found = store.get(KEY)
    assert found is not None
    data, info = found
    assert info.metadata == {"by": str(won.index(True))}, "the metadata is not the winner's"
    assert data == b"%d" % won.index(True) * 1000, "the data is not the winner's"


def test_no_increment_is_lost(store: Store) -> None:
    store.replace("ha/count", b"0", expected=None)

    def work(_: int) -> None:
        for _ in range(15):
            while True:
                try:
                    found = store.get("ha/count")
                except StoreUnavailable:
                    continue  # the others write faster than this one reads
                assert found is not None
                data, info = found
                try:
                    store.replace("ha/count", b"%d" % (int(data) + 1), expected=info.version)
                    break
                except VersionMismatch:
                    continue

    _together(6, work)
    found = store.get("ha/count")
    assert found is not None
    assert found[0] == b"90"


def test_one_of_many_concurrent_lease_creations_succeeds(store: Store) -> None:
    def work(number: int) -> bool:
        try:
            store.replace("ha/lease.json", b"%d" % number, expected=None)
        except VersionMismatch:
            return False
        return True

    won = _together(12, work)
    assert won.count(True) == 1
    found = store.get("ha/lease.json")
    assert found is not None
    assert found[0] == b"%d" % won.index(True)


def test_one_of_many_concurrent_deletes_succeeds(store: Store) -> None:
    version = store.replace("ha/lease.json", b"x", expected=None).version
    deleted = _together(8, lambda _: store.delete("ha/lease.json", expected=version))
    if isinstance(store, GcsStore):
        # fake-gcs-server checks the generation and deletes in two steps, so two deletes can succeed there.
        assert deleted.count(True) >= 1
    else:
        assert deleted.count(True) == 1


@pytest.mark.sampled(3, slow=2)
def test_reads_are_atomic(store: Store, tmp_path: Path) -> None:
    """Sizes and contents differ with every write, so that a mixed read is detected."""
    done = threading.Event()
    seen: set[int] = set()

    def read() -> None:
        while not done.is_set():
            found = store.get("ha/x")
            if found is None:
                continue
            data, info = found
            assert len(data) == info.size
            assert data == data[:1] * len(data)
            seen.add(len(data))
            for listed in store.list("ha/").objects:
                assert listed.size % 10_007 == 0

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        version = None
        for turn in range(60):
            time.sleep(0.02)
            data = b"%c" % (65 + turn % 26) * (10_007 * (1 + turn % 9))
            if turn % 10 == 9:
                store.delete("ha/x", expected=version)
                source = tmp_path / f"source-{turn}"
                source.write_bytes(data)
                version = store.create("ha/x", source, content_type="a/b", metadata={}).version
            else:
                version = store.replace("ha/x", data, expected=version).version
        done.set()
        for reader in readers:
            reader.result(60)
    assert len(seen) > 1
