"""Selects the fast cases of large test matrices, and shares recordings and a store between tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.generated import SHARED_FOLDER
from tests.support.seaweed import Seaweed

_OWN_FOLDER = pytest.StashKey[str]()


# On a busy machine any example may take long. `scripts/test --exhaustive` tries more of them.
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("exhaustive", deadline=None, max_examples=200)
settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """Workers of pytest-xdist inherit the variable, and use the folder of the process that started them."""
    if SHARED_FOLDER not in os.environ:
        config.stash[_OWN_FOLDER] = os.environ[SHARED_FOLDER] = tempfile.mkdtemp(
            prefix="clipping-test-media-"
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what was generated."""
    if (folder := config.stash.get(_OWN_FOLDER, None)) is not None:
        del os.environ[SHARED_FOLDER]
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before pytest deselects slow tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`@pytest.mark.sampled(7, slow=2)`: every seventh case of the test is fast, every second of the others
    slow; the rest is marked `exhaustive`. Without the first number none is fast.

    Numbers that divide no axis of the matrix select cases from all over it.
    """
    seen, others = Counter[str](), Counter[str]()
    for item in items:
        marker = item.get_closest_marker("sampled")
        if marker is None:
            continue
        name = item.nodeid.partition("[")[0]
        if not marker.args or seen[name] % marker.args[0]:
            item.add_marker(pytest.mark.slow)
            if others[name] % marker.kwargs.get("slow", 1):
                item.add_marker(pytest.mark.exhaustive)
            others[name] += 1
        seen[name] += 1


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """SeaweedFS, for all tests of a process: it starts in seconds."""
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_bucket(seaweed: Seaweed) -> str:
    """A bucket for tests that empty it when they are done: a new one takes a while at its first write."""
    return seaweed.bucket()
