from __future__ import annotations

from collections.abc import Iterator

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
