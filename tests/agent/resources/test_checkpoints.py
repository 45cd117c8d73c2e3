"""Kept segments do not accumulate."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agent.resources.checkpoints import LONGEST_SECONDS, Checkpoints

MANY = 10**9


def keep(state: Path, request_id: str, *, size: int = 10, days: float = 0) -> Path:
    """A folder of one segment that was finished `days` days ago."""
    folder = state / "checkpoints" / request_id
    folder.mkdir(parents=True)
    segment = folder / "segment-00000.mp4"
    segment.write_bytes(bytes(size))
    at = time.time() - days * 86_400
    os.utime(segment, (at, at))
    return folder


def test_a_state_folder_without_any_is_fine(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, most_bytes=MANY)
    with checkpoints.of("clip-1") as folder:
        assert folder == tmp_path / "checkpoints" / "clip-1"
    checkpoints.drop("clip-1")
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_has_ended_leaves_nothing(tmp_path: Path) -> None:
    ended, other = keep(tmp_path, "clip-1"), keep(tmp_path, "clip-2")
    Checkpoints(tmp_path, most_bytes=MANY).drop("clip-1")
    assert (ended.exists(), other.exists()) == (False, True)


def test_old_ones_are_removed_at_the_start(tmp_path: Path) -> None:
    days = LONGEST_SECONDS / 86_400
    old, young = keep(tmp_path, "old", days=days + 0.1), keep(tmp_path, "young", days=days - 0.1)
    Checkpoints(tmp_path, most_bytes=MANY)
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize(("most", "left"), [(35, "abc"), (25, "ab"), (10, "a"), (9, ""), (0, "")])
def test_the_oldest_are_removed_until_the_rest_fits(tmp_path: Path, most: int, left: str) -> None:
    folders = {name: keep(tmp_path, name, days=age) for age, name in enumerate("abc")}
    Checkpoints(tmp_path, most_bytes=most)
    assert "".join(name for name, folder in folders.items() if folder.exists()) == left


def test_one_in_use_stays_and_others_make_room(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, most_bytes=25)
    used = keep(tmp_path, "used", size=20, days=30)
    with checkpoints.of("used"):
        left = keep(tmp_path, "left", size=20)
        newest = keep(tmp_path, "newest", size=20)
        os.utime(left / "segment-00000.mp4", (1, 1))
        with checkpoints.of("newest"):
            assert (used.exists(), left.exists(), newest.exists()) == (True, False, True)
    with checkpoints.of("another"):
        assert (used.exists(), newest.exists()) == (False, True)
