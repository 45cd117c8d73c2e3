"""Parts of frames, and colours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from agent.cutting.effects.planes import Area, chroma_in_rgb, from_rgb, halved, luma_in_rgb
from tests.agent.cutting.effects import reference


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_the_colors_of_bt709(rgb: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    assert tuple(round(code) for code in from_rgb(*map(float, rgb))) == yuv
    y, cb, cr = (np.array([code], np.float32) for code in from_rgb(*map(float, rgb)))
    back = [luma_in_rgb(y) + added for added in chroma_in_rgb(cb, cr)]
    np.testing.assert_allclose(np.concatenate(back), rgb, atol=1e-3)


def test_an_area_has_even_sides() -> None:
    area = Area.around(-3.5, 1.2, 7.1, 8)

    assert area == (-4, 0, 8, 8)
    assert area.halved() == (-2, 0, 4, 4)
    assert area.within(Area(0, 0, 6, 100)) == (0, 0, 6, 8)
    assert area.within(Area(10, 0, 16, 100)).empty


def test_strips_make_up_the_area() -> None:
    strips = list(Area(2, 4, 10, 200).strips())

    assert (strips[0].top, strips[-1].bottom) == (4, 200)
    assert all(one.bottom == two.top and two.top % 2 == 0 for one, two in pairwise(strips))


def test_a_part_is_a_view_of_all_planes() -> None:
    planes = reference.frame(31, 17)
    part = planes.part(Area(4, 2, 32, 18))

    assert planes.size == (31, 17)
    assert [plane.shape for plane in part] == [(15, 27), (8, 14), (8, 14)]
    assert all(np.shares_memory(one, two) for one, two in zip(part, planes, strict=True))


def test_the_mean_of_four() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4)

    np.testing.assert_array_equal(halved(values), reference.mean_of_four(values.astype(float)))
