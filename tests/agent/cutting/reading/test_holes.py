"""Holes of sparse files are not read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cutting.reading.holes import LARGE, data_end, next_data, pieces

TERABYTE = 1 << 40
BLOCK = 4096


@pytest.fixture
def sparse(tmp_path: Path) -> Iterator[int]:
    """100 kB at the start, the same at half a terabyte, and nothing else."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"\1" * 100_000)
        file.seek(TERABYTE // 2)
        file.write(b"\1" * 100_000)
    os.truncate(path, TERABYTE)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_the_end_of_what_is_stored(sparse: int) -> None:
    assert 0 <= data_end(sparse, TERABYTE) - (TERABYTE // 2 + 100_000) < 2 * BLOCK
    assert 0 <= data_end(sparse, TERABYTE // 2) - 100_000 < 2 * BLOCK


def test_a_small_hole_at_the_end_is_not_worth_it(sparse: int) -> None:
    assert data_end(sparse, 100_000 + LARGE) == 100_000 + LARGE


def test_a_file_without_any_data(tmp_path: Path) -> None:
    (tmp_path / "nothing").touch()
    os.truncate(tmp_path / "nothing", TERABYTE)
    with (tmp_path / "nothing").open("rb") as file:
        assert data_end(file.fileno(), TERABYTE) == 0
        assert next_data(file.fileno(), 5) is None
        assert pieces(file.fileno(), 0, TERABYTE) == []


def test_the_pieces_between_large_holes(sparse: int) -> None:
    (first, second) = pieces(sparse, 50_000, TERABYTE)
    assert first[0] == 50_000
    assert 0 <= first[1] - 100_000 < 2 * BLOCK
    assert second[0] == TERABYTE // 2
    assert 0 <= second[1] - (TERABYTE // 2 + 100_000) < 2 * BLOCK


def test_a_stretch_without_large_holes_is_one_piece(sparse: int) -> None:
    assert pieces(sparse, 10, 1000) == [(10, 1000)]
    assert pieces(sparse, 10, LARGE) == [(10, LARGE)]


def test_the_place_where_the_file_is_read_stays(sparse: int) -> None:
    os.lseek(sparse, 1234, os.SEEK_SET)
    data_end(sparse, TERABYTE)
    pieces(sparse, 0, TERABYTE)
    assert os.lseek(sparse, 0, os.SEEK_CUR) == 1234
