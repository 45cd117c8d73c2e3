"""A stack shared by the tests that do not change it. Tests with faults start their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.media import Recording, make
from tests.support.stack import RunningStack


@pytest.fixture(scope="session")
def nas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NAS root with a one-minute recording in several containers, and files that are not recordings."""
    root = tmp_path_factory.mktemp("nas")
    for extension in ("mp4", "mkv", "ts"):
        shutil.copy(make(Recording(extension=extension, seconds=60)), root / f"night.{extension}")
    (root / "notes.mp4").write_text("this is a renamed text file\n")
    (root / "empty.mp4").touch()
    return root


@pytest.fixture(scope="session")
def stack(nas: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    data, preview = tmp_path_factory.mktemp("shared") / "data", {"api_url": "https://clips.example.com"}
    with RunningStack(data, nas, agents=2, preview=preview) as stack:
        yield stack
