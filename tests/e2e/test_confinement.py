"""No clip of a file outside the roots can be obtained by exchanging the folders of a path."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.confinement import INSIDE, OUTSIDE, Swap, attack, record
from tests.support.stack import RunningStack


@pytest.mark.slow
def test_a_folder_exchanged_with_a_link_to_the_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    swap = Swap(root, outside, pause=0.002)
    record(swap.folder / "night.mp4", INSIDE)
    record(outside / "night.mp4", OUTSIDE)
    with RunningStack(tmp_path / "data", root) as stack, swap:
        seen = attack(stack.where["api_url"], stack.session, swap.folder / "night.mp4", 60)
    assert set(seen) <= {"the file inside", "SOURCE_NOT_ALLOWED"}, seen
    assert seen["the file inside"] > 0
