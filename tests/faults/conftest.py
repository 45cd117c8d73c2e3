"""A recording, and clusters that are verified after each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.media import Recording, make


@pytest.fixture(scope="session")
def nas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NAS root with a one-minute recording. Tests do not modify it."""
    root = tmp_path_factory.mktemp("nas")
    shutil.copy(make(Recording(seconds=60)), root / "night.mp4")
    return root


@pytest.fixture
def clusters(tmp_path: Path, nas: Path) -> Iterator[Callable[..., Cluster]]:
    """Creates clusters, and verifies each with `settle` after a successful test."""
    made: list[Cluster] = []

    def make_one(root: Path | None = None, **arguments: Any) -> Cluster:
        made.append(Cluster(tmp_path / f"cluster-{len(made)}", root or nas, **arguments))
        return made[-1]

    try:
        yield make_one
    finally:
        for cluster in made:
            cluster.close()


@pytest.fixture
def cluster(clusters: Callable[..., Cluster]) -> Cluster:
    """A primary (`nodes[0]`) and a standby with the `quick` preset."""
    return clusters()
