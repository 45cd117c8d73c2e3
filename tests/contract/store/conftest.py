"""Every store that there is, for one suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipping.store.gcs import GcsStore
from clipping.store.local import LocalStore
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo, Store
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.seaweed import Seaweed

Create = Callable[..., ObjectInfo]


@pytest.hookimpl(tryfirst=True)  # before pytest deselects slow tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Races on SeaweedFS are slow; test_s3_races has a fast one."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.name == "test_concurrency.py":
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            if parameters.get("store") == "s3":
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        yield server


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> ServiceAccount:
    return ServiceAccount(tmp_path_factory.mktemp("account"))


@pytest.fixture(
    params=[
        "local",
        "memory",
        "gcs",
        "s3",
        "local-prefix",
        "gcs-prefix",
        pytest.param("s3-prefix", marks=pytest.mark.slow),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    backend, _, prefix = str(request.param).partition("-")
    prefix = "team/clips-" if prefix else ""
    if backend == "local":
        yield LocalStore(tmp_path / "store", public_url="http://127.0.0.1:8000", prefix=prefix)
    elif backend == "memory":
        yield MemoryStore()
    elif backend == "s3":
        weed: Seaweed = request.getfixturevalue("seaweed")
        bucket: str = request.getfixturevalue("s3_bucket")
        endpoint = Endpoint(weed.url, credentials=weed.credentials)
        # SeaweedFS lets conditional writes of one object wait for each other.
        s3 = S3Store(bucket, endpoint, prefix=prefix, call_seconds=30)
        yield s3
        s3.close()
        weed.empty(bucket)
    else:
        server: FakeGcs = request.getfixturevalue("gcs_server")
        account: ServiceAccount = request.getfixturevalue("account")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.key_file))
        gcs = GcsStore(server.bucket(), prefix=prefix)
        yield gcs
        gcs.close()


@pytest.fixture
def create(store: Store, tmp_path: Path) -> Create:
    """Creates an object of some bytes."""
    count = iter(range(1_000_000))

    def create(
        key: str,
        data: bytes = b"clip",
        *,
        content_type: str = "video/mp4",
        metadata: dict[str, str] | None = None,
    ) -> ObjectInfo:
        source = tmp_path / f"source-{next(count)}"
        source.write_bytes(data)
        return store.create(key, source, content_type=content_type, metadata=metadata or {})

    return create
