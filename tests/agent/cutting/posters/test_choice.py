"""The rules: which frame is the poster, and how a contact sheet is laid out."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.cutting.posters.choice import Look, columns_of, is_walked, middles, poster_of, tiles_of, within

BLACK, GREY, NIGHT, TABLE = Look(0, 0), Look(128, 2), Look(10, 14), Look(90, 40)


@pytest.mark.parametrize(
    ("looks", "chosen"),
    [
        ([TABLE, TABLE], 0),
        ([BLACK, GREY, TABLE, TABLE], 2),
        ([BLACK, NIGHT, GREY], 1),
        ([BLACK], 0),
        ([BLACK, BLACK], 0),
    ],
)
def test_the_poster_is_the_first_frame_that_shows_something(looks: list[Look], chosen: int) -> None:
    assert poster_of(looks) == chosen


@pytest.mark.parametrize(
    ("width", "height", "tiles"),
    [(640, 360, 16), (1280, 720, 16), (1920, 1080, 9), (3840, 2160, 4), (7680, 4320, 4)],
)
def test_large_frames_make_a_smaller_sheet(width: int, height: int, tiles: int) -> None:
    assert tiles_of(width * height) == tiles


def test_only_small_clips_are_decoded_as_a_whole() -> None:
    assert is_walked(48, 1920 * 1080, encoded=False)
    assert not is_walked(200, 1920 * 1080, encoded=False)
    assert is_walked(200, 1920 * 1080, encoded=True)
    assert not is_walked(1500, 1920 * 1080, encoded=True)


def test_tiles_are_evenly_spread() -> None:
    assert middles(Fraction(8), 4) == [1, 3, 5, 7]
    assert middles(Fraction(0), 2) == [0, 0]


def test_a_sheet_is_as_square_as_it_can_be() -> None:
    assert [columns_of(count) for count in (1, 2, 3, 4, 5, 9, 10, 16)] == [1, 2, 2, 2, 3, 3, 4, 4]


def test_a_frame_is_not_enlarged_and_keeps_its_shape() -> None:
    assert within((1920, 1080), 640) == (640, 360)
    assert within((1080, 1920), 640) == (360, 640)
    assert within((320, 200), 640) == (320, 200)
    assert within((4096, 2), 640) == (640, 2)
