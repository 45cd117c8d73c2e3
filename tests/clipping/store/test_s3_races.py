"""Writers of one object at the same time, on SeaweedFS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
from tests.support.seaweed import Seaweed
from tests.support.waiting import eventually

THREADS = 8
CALL_SECONDS = 30.0
"""SeaweedFS lets conditional writes of one object wait for each other: eight take 5 s."""
KEY = "clips/h/r.mp4"


@pytest.fixture
def s3(seaweed: Seaweed, s3_bucket: str) -> Iterator[S3Store]:
    endpoint = Endpoint(seaweed.url, credentials=seaweed.credentials)
    store = S3Store(s3_bucket, endpoint, call_seconds=CALL_SECONDS)
    yield store
    store.close()
    seaweed.empty(s3_bucket)


def _race(work: Callable[[int], bool]) -> list[int]:
    """The numbers of the threads whose `work` won."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> bool:
        start.wait(30)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return [number for number, won in enumerate(pool.map(run, range(THREADS))) if won]


def _sources(folder: Path, size: int) -> list[Path]:
    paths = [folder / f"source-{number}" for number in range(THREADS)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * size)
    return paths


def _creates(
    store: S3Store, sources: list[Path], key: str, metadata: Callable[[int], dict[str, str]]
) -> list[int]:
    def create(number: int) -> bool:
        try:
            store.create(key, sources[number], content_type="video/mp4", metadata=metadata(number))
        except ObjectExists:
            return False
        return True

    return _race(create)


@pytest.mark.parametrize(
    ("size", "rounds"),
    [
        (1 << 10, 1),
        pytest.param(1 << 10, 8, marks=pytest.mark.slow),
        pytest.param(6 << 20, 3, marks=[pytest.mark.slow]),
        pytest.param(20 << 20, 1, marks=[pytest.mark.slow]),
    ],
)
@pytest.mark.parametrize("length", [10, 3000], ids=["inline", "facts"])
def test_one_of_eight_creates_wins_with_its_metadata(
    s3: S3Store, tmp_path: Path, size: int, rounds: int, length: int
) -> None:
    sources = _sources(tmp_path, size)
    for turn in range(rounds):
        key = f"clips/h/r{turn}.mp4"
        won = _creates(s3, sources, key, lambda number: {"by": str(number) * length})
        assert len(won) == 1, f"round {turn}: {won}"
        info = s3.download(key, tmp_path / "target")
        assert info is not None
        assert info.metadata == {"by": str(won[0]) * length}
        assert (tmp_path / "target").read_bytes() == bytes([won[0]]) * size


@pytest.mark.slow
def test_one_of_eight_replacements_wins(s3: S3Store) -> None:
    version = s3.replace("ha/lease.json", b"begin", expected=None).version
    for turn in range(8):

        def replace(number: int, expected: str = version) -> bool:
            try:
                s3.replace("ha/lease.json", b"%d" % number, expected=expected)
            except VersionMismatch:
                return False
            return True

        won = _race(replace)
        assert len(won) == 1, f"round {turn}: {won}"
        found = s3.get("ha/lease.json")
        assert found is not None
        assert found[0] == b"%d" % won[0]
        version = found[1].version


@pytest.mark.slow
def test_no_upload_in_parts_that_won_is_lost(
    seaweed: Seaweed, s3: S3Store, s3_bucket: str, tmp_path: Path
) -> None:
    """Several can win there on SeaweedFS; what is there is then the upload of one of them, and complete."""
    endpoint = Endpoint(seaweed.url, credentials=seaweed.credentials)
    store = S3Store(s3_bucket, endpoint, single_put_bytes=5 << 20, part_bytes=5 << 20)
    sources = _sources(tmp_path, 11 << 20)
    for turn in range(2):
        key = f"clips/h/r{turn}.mp4"
        won = _creates(store, sources, key, lambda number: {"by": str(number)})
        info = store.download(key, tmp_path / "target")
        assert info is not None
        assert int(info.metadata["by"]) in won
        assert (tmp_path / "target").read_bytes() == sources[int(info.metadata["by"])].read_bytes()
    store.close()


_UPLOAD = """
import sys
from pathlib import Path
from clipping.errors import ObjectExists
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
url, credentials, bucket, source, key = sys.argv[1:]
store = S3Store(bucket, Endpoint(url, credentials=Path(credentials)))
try:
    store.create(key, Path(source), content_type="video/mp4", metadata={"by": "frozen"})
except ObjectExists:
    print("exists")
else:
    print("created")
"""
FROZEN_BYTES = 96 << 20


@pytest.mark.slow
def test_a_frozen_upload_blocks_no_one(seaweed: Seaweed, s3: S3Store, s3_bucket: str, tmp_path: Path) -> None:
    """An agent that is stopped in the middle of an upload: another uploads the clip and takes the lease."""
    (source,) = _sources(tmp_path, 4)[:1]
    large = tmp_path / "large"
    large.write_bytes(os.urandom(FROZEN_BYTES))
    version = s3.replace("ha/lease.json", b"frozen leads", expected=None).version
    arguments = [seaweed.url, str(seaweed.credentials), s3_bucket, str(large), KEY]
    frozen = _frozen_while_sending([sys.executable, "-c", _UPLOAD, *arguments], s3)
    try:
        begin = time.monotonic()
        s3.replace("ha/lease.json", b"another leads", expected=version)
        s3.create(KEY, source, content_type="video/mp4", metadata={"by": "another"})
        assert time.monotonic() - begin < 4, "it waits for no one"
        frozen.send_signal(signal.SIGCONT)
        said, _ = frozen.communicate(timeout=60)
    finally:
        frozen.kill()
        frozen.communicate()
    assert said == "exists\n"
    info = s3.stat(KEY)
    assert info is not None
    assert (info.size, info.metadata) == (4, {"by": "another"})


def _frozen_while_sending(command: list[str], store: S3Store) -> subprocess.Popen[str]:
    """The process, stopped while it sends the file, which it has read once before for the signature."""
    for _ in range(10):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        pid = process.pid
        eventually(lambda pid=pid: _read(pid) > FROZEN_BYTES * 1.2, "the upload", every=0.0005)  # type: ignore[misc]
        process.send_signal(signal.SIGSTOP)
        if process.poll() is None and _read(pid) < FROZEN_BYTES * 1.9 and store.stat(KEY) is None:
            return process
        process.kill()
        process.communicate()
        store.delete(KEY)
    raise AssertionError("no upload was frozen")


def _read(pid: int) -> int:
    """How many bytes a process has read."""
    try:
        fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    except (FileNotFoundError, ProcessLookupError):
        return 1 << 62
    return int(fields["rchar"])


@pytest.mark.slow
def test_a_store_that_is_restarted_is_used_again(tmp_path: Path) -> None:
    """With its data, and the same version of the lease."""
    with Seaweed(tmp_path) as first:
        bucket, ports = first.bucket(), first.ports
        store = S3Store(bucket, Endpoint(first.url, credentials=first.credentials), call_seconds=2)
        version = store.replace("ha/lease.json", b"1", expected=None).version
    with pytest.raises(StoreUnavailable, match="the store can't be reached"):
        store.replace("ha/lease.json", b"2", expected=version)
    with Seaweed(tmp_path, ports=ports):
        eventually(lambda: _replaced(store, version), "the store", every=0.1)
    store.close()


def _replaced(store: S3Store, version: str) -> bool:
    try:
        store.replace("ha/lease.json", b"2", expected=version)
    except StoreUnavailable:
        return False
    except VersionMismatch:  # an earlier call was carried out, and its answer lost
        found = store.get("ha/lease.json")
        assert found is not None
        assert found[0].strip() == b"2"
    return True
