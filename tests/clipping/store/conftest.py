from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipping.store.gcs import GcsStore
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.seaweed import Seaweed


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> ServiceAccount:
    return ServiceAccount(tmp_path_factory.mktemp("account"))


@pytest.fixture
def gcs_server(monkeypatch: pytest.MonkeyPatch, account: ServiceAccount) -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.key_file))
        yield server


@pytest.fixture
def gcs(gcs_server: FakeGcs) -> Iterator[GcsStore]:
    store = GcsStore(gcs_server.bucket())
    yield store
    store.close()


@pytest.fixture
def s3(seaweed: Seaweed, s3_bucket: str) -> Iterator[S3Store]:
    store = S3Store(s3_bucket, Endpoint(seaweed.url, credentials=seaweed.credentials))
    yield store
    store.close()
    seaweed.empty(s3_bucket)


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No credentials but those that a test sets: not in the environment, nor the user's files, nor an
    instance's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def area(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the tests make thousands of calls that wait for the disk."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="clipping-test-", dir=shared) as folder:
        yield Path(folder)
