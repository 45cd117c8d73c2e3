"""Every store that there is, for one suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipping.store.gcs import GcsStore
from clipping.store.local import LocalStore
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo, Store
from tests.support.gcs import FakeGcs, ServiceAccount

Create = Callable[..., ObjectInfo]


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        yield server


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> ServiceAccount:
    return ServiceAccount(tmp_path_factory.mktemp("account"))


@pytest.fixture(params=["local", "memory", "gcs", "local-prefix", "gcs-prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    backend, _, prefix = request.param.partition("-")
    prefix = "team/clips-" if prefix else ""
    if backend == "local":
        yield LocalStore(tmp_path / "store", public_url="http://127.0.0.1:8000", prefix=prefix)
    elif backend == "memory":
        yield MemoryStore()
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
