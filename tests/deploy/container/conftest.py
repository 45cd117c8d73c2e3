"""A Docker Engine and a registry, where this machine has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container.registry import no_engine, no_registry, registry


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip where no Docker Engine answers."""
    reason = no_engine()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def local_registry(engine: None, tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    reason = no_registry()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path / "registry"
    folder.mkdir()
    with registry(folder) as address:
        yield address
