"""What the tests of processes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.cutting.process.cuts import LONG
from tests.support.media import make


@pytest.fixture(scope="module")
def long_recording() -> Path:
    return make(LONG)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder
