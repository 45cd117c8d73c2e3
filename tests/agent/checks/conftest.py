"""Fixtures of the checks' tests."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users may enter; those of `tmp_path` are private."""
    with tempfile.TemporaryDirectory(prefix="clipping-shared-") as folder:
        Path(folder).chmod(0o755)
        if any(not above.stat().st_mode & stat.S_IXOTH for above in Path(folder).parents):
            pytest.skip(f"other users may not enter the folder of {folder}: set another TMPDIR")
        yield Path(folder)
