"""The five kinds of highlights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest

from agent.cutting.effects.crop import cropped, needed
from agent.cutting.effects.highlight import highlighted
from agent.cutting.effects.keyframes import Ellipse, Window
from clipping.contract.choices import HighlightEffect
from tests.agent.cutting.effects import reference

SIZE = (480, 270)
YELLOW = (255, 255, 0)
LIMITS: dict[HighlightEffect, tuple[float, float]] = {
    "original": (3, 0.001),
    "brightness_boost": (3, 0.002),
    "dark_overlay": (5, 0.03),
    "spotlight": (1, 0.01),
    "blur": (4, 0.27),
}
"""The largest and the mean error in codes."""
ELLIPSES = {
    "inside": Ellipse(240.3, 131.7, 40.2, 71.9, 0.15, YELLOW),
    "odd": Ellipse(101, 33, 7, 13, 0.9, (10, 200, 120)),
    "across the left top corner": Ellipse(-5.5, 3.1, 60, 40, 0.5, YELLOW),
    "across the right bottom corner": Ellipse(490.1, 268, 60, 40, 1.0, (255, 0, 0)),
    "outside": Ellipse(-300, 900, 60, 40, 0.5, YELLOW),
    "around the frame": Ellipse(240, 135, 900, 900, 0.5, YELLOW),
}


def result_of(effect: HighlightEffect, ellipse: Ellipse, scale: float, size: tuple[int, int] = SIZE) -> None:
    planes = reference.frame(*size)
    expected = reference.highlighted(planes, effect, ellipse, scale)

    highlighted(planes, effect, ellipse, scale)

    largest, mean = reference.errors(planes, expected)
    assert largest <= LIMITS[effect][0]
    assert mean <= LIMITS[effect][1]


@pytest.mark.parametrize("ellipse", ELLIPSES.values(), ids=list(ELLIPSES))
@pytest.mark.parametrize("effect", get_args(HighlightEffect))
def test_a_highlight_is_close_to_its_formula(effect: HighlightEffect, ellipse: Ellipse) -> None:
    result_of(effect, ellipse, scale=1.0)


@pytest.mark.parametrize("scale", [1 / 12, 0.25, 0.5, 2.0])
@pytest.mark.parametrize("effect", ["original", "blur"])
def test_outlines_and_blur_follow_the_size_of_the_frame(effect: HighlightEffect, scale: float) -> None:
    result_of(effect, ELLIPSES["inside"], scale)


@pytest.mark.parametrize("effect", get_args(HighlightEffect))
def test_frames_of_odd_sizes(effect: HighlightEffect) -> None:
    result_of(effect, ELLIPSES["across the right bottom corner"], 1.0, (481, 271))


@pytest.mark.parametrize("effect", get_args(HighlightEffect))
def test_a_crop_of_the_visible_part_is_the_same(effect: HighlightEffect) -> None:
    planes, part = reference.frame(*SIZE), reference.frame(*SIZE)
    window, target = Window(171.3, 40.8, 120.4, 214.2), (180, 320)
    ellipse = ELLIPSES["inside"]

    highlighted(planes, effect, ellipse, 1.0)
    highlighted(part, effect, ellipse, 1.0, needed(window, target))

    tolerance = 1 if effect == "blur" else 0
    for whole, visible in zip(cropped(planes, window, target), cropped(part, window, target), strict=True):
        np.testing.assert_allclose(whole.astype(int), visible, atol=tolerance)


@pytest.mark.parametrize("effect", get_args(HighlightEffect))
def test_a_visible_part_outside_of_the_frame_changes_nothing(effect: HighlightEffect) -> None:
    planes = reference.frame(64, 48)
    highlighted(planes, effect, ELLIPSES["around the frame"], 1.0, Window(64, 0, 20, 20))

    for plane, before in zip(planes, reference.frame(64, 48), strict=True):
        np.testing.assert_array_equal(plane, before)


def test_the_fill_changes_nothing_outside_of_the_outline() -> None:
    planes = reference.frame(*SIZE)
    highlighted(planes, "original", Ellipse(240, 135, 30, 30, 1.0, YELLOW), 1.0)

    changed = np.argwhere(planes.y != reference.frame(*SIZE).y) + 0.5
    distances = np.hypot(changed[:, 1] - 240, changed[:, 0] - 135)
    assert 31 < distances.max() < 32.5
    y, cb, cr = reference.to_yuv(YELLOW)
    assert (planes.y[135, 240], planes.u[67, 120], planes.v[67, 120]) == (round(y), round(cb), round(cr))


@pytest.mark.parametrize("effect", ["dark_overlay", "spotlight", "blur"])
def test_the_inside_stays_as_it_is(effect: HighlightEffect) -> None:
    planes = reference.frame(*SIZE)
    highlighted(planes, effect, Ellipse(240, 135, 60, 60, 1.0, YELLOW), 1.0)

    before = reference.frame(*SIZE)
    np.testing.assert_array_equal(planes.y[100:170, 205:275], before.y[100:170, 205:275])
    np.testing.assert_array_equal(planes.u[50:85, 103:137], before.u[50:85, 103:137])


@pytest.mark.parametrize(
    ("radius_x", "radius_y"), [(0.0, 0.0), (0.0, 50.0), (50.0, 0.0), (0.4, 0.4), (1.0, 1.0), (1e6, 1e6)]
)
@pytest.mark.parametrize("effect", get_args(HighlightEffect))
def test_an_ellipse_of_any_size_is_drawn(effect: HighlightEffect, radius_x: float, radius_y: float) -> None:
    planes = reference.frame(64, 48)
    highlighted(planes, effect, Ellipse(31.5, 20.5, radius_x, radius_y, 0.5, YELLOW), 48 / 1080)

    assert planes.y.max() <= 235 + 3
    if radius_x == 0 and effect == "dark_overlay":
        assert abs(planes.y.astype(int) - (16 + (reference.frame(64, 48).y - 16.0) * 0.7)).max() <= 0.51


@pytest.mark.parametrize("effect", get_args(HighlightEffect))
def test_codes_beyond_the_limited_range(effect: HighlightEffect) -> None:
    planes = reference.frame(64, 48)
    random = np.random.default_rng(3)
    for plane in planes:
        plane[...] = random.integers(0, 256, plane.shape)
    ellipse = Ellipse(30, 20, 15, 12, 0.5, YELLOW)
    expected = reference.highlighted(planes, effect, ellipse, 0.1)

    highlighted(planes, effect, ellipse, 0.1)

    if effect != "blur":
        assert reference.errors(planes, expected)[0] <= 1


def test_threads_do_not_disturb_each_other() -> None:
    def one(number: int) -> int:
        planes = reference.frame(*SIZE)
        effect = get_args(HighlightEffect)[number % 5]
        highlighted(planes, effect, ELLIPSES["inside"], 1.0)
        return hash((effect, planes.y.tobytes(), planes.u.tobytes(), planes.v.tobytes()))

    with ThreadPoolExecutor(5, "highlight") as threads:
        assert list(threads.map(one, range(15))) == [one(number) for number in range(5)] * 3
