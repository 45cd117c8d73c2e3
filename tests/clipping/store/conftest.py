from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipping.store.gcs import GcsStore
from tests.support.gcs import FakeGcs, ServiceAccount


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
def area(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the tests make thousands of calls that wait for the disk."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="clipping-test-", dir=shared) as folder:
        yield Path(folder)
