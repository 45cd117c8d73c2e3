"""What the tests of processes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.cutting.process.cuts import make_long


@pytest.fixture(scope="session")
def long_recording() -> Path:
    return make_long()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder
