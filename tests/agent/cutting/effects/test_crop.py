"""A window of a frame scaled to the size of the clip."""

from __future__ import annotations

import numpy as np
import pytest

from agent.cutting.effects.crop import cropped, needed
from agent.cutting.effects.keyframes import Window
from agent.cutting.effects.planes import Plane, Planes
from tests.agent.cutting.effects import reference

SIZE = (480, 270)
WINDOWS = {
    "enlarged, between pixels": (Window(100.37, 20.61, 90.5, 160.25), (180, 320)),
    "enlarged, at every border": (Window(0, 0, 480, 270), (720, 406)),
    "shrunk": (Window(33.3, 1.9, 400.2, 266.8), (90, 160)),
    "shrunk at the right and bottom border": (Window(79.8, 3.2, 400.2, 266.8), (160, 90)),
    "same size, at whole pixels": (Window(100, 20, 120, 160), (120, 160)),
    "same size, at odd pixels": (Window(101, 21, 120, 160), (120, 160)),
}


@pytest.mark.parametrize(("window", "target"), WINDOWS.values(), ids=list(WINDOWS))
def test_a_crop_is_close_to_lanczos_in_floats(window: Window, target: tuple[int, int]) -> None:
    planes = reference.frame(*SIZE)

    result = cropped(planes, window, target)

    assert result.size == target
    assert result.u.shape == result.v.shape == (target[1] // 2, target[0] // 2)
    largest, mean = reference.errors(result, reference.cropped(planes, window, target))
    assert largest <= 2
    assert mean <= 0.18


def test_a_window_can_be_one_pixel() -> None:
    planes = reference.frame(*SIZE)
    window, target = Window(400.25, 200.5, 1, 1), (16, 16)

    largest, _ = reference.errors(cropped(planes, window, target), reference.cropped(planes, window, target))

    assert largest <= 2


def test_a_window_of_the_targets_size_at_even_pixels_is_copied() -> None:
    planes = reference.frame(*SIZE)

    result = cropped(planes, Window(100, 20, 120, 160), (120, 160))

    np.testing.assert_array_equal(result.y, planes.y[20:180, 100:220])
    np.testing.assert_array_equal(result.u, planes.u[10:90, 50:110])
    np.testing.assert_array_equal(result.v, planes.v[10:90, 50:110])


def test_the_outermost_pixels_are_repeated_beyond_the_border() -> None:
    planes = reference.frame(*SIZE)
    padded = Planes(
        np.pad(planes.y, 32, mode="edge"),
        np.pad(planes.u, 16, mode="edge"),
        np.pad(planes.v, 16, mode="edge"),
    )
    window, target = Window(0, 0, 480, 270), (700, 500)

    result = cropped(planes, window, target)

    for plane, expected in zip(result, cropped(padded, window._replace(x=32, y=32), target), strict=True):
        np.testing.assert_array_equal(plane, expected)


def test_only_what_is_needed_is_read() -> None:
    planes = reference.frame(*SIZE)
    window, target = Window(200.7, 61.3, 90.2, 120.9), (40, 30)
    expected = cropped(planes, window, target)
    x, y, width, height = (int(side) for side in needed(window, target))
    outside = np.ones(planes.y.shape, bool)
    outside[y : y + height, x : x + width] = False

    planes.y[outside] = 255
    for plane in planes[1:]:
        plane[outside[::2, ::2] & outside[1::2, 1::2]] = 255

    for plane, before in zip(cropped(planes, window, target), expected, strict=True):
        np.testing.assert_array_equal(plane, before)


def test_the_result_can_be_written_to_and_the_source_stays() -> None:
    planes = reference.frame(*SIZE)
    before = reference.copy(planes)
    for plane in planes:
        plane.flags.writeable = False

    for plane in cropped(planes, Window(0, 0, 480, 270), SIZE):
        plane[...] = 0

    for plane, unchanged in zip(planes, before, strict=True):
        np.testing.assert_array_equal(plane, unchanged)


def blob(shape: tuple[int, int], x: float, y: float, sigma: float) -> Plane:
    """A smooth spot around a point, in pixels of the plane. Rounding shifts the centres of large ones."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2
    codes: Plane = np.rint(128 + 100 * np.exp(-distance / (2 * sigma**2))).astype(np.uint8)
    return codes


def centroid(plane: Plane) -> tuple[float, float]:
    weights = plane.astype(float) - 128
    rows, columns = np.indices(plane.shape) + 0.5
    return float((weights * columns).sum() / weights.sum()), float((weights * rows).sum() / weights.sum())


@pytest.mark.parametrize(
    ("start", "target", "sigma"),
    [
        (Window(140, 60, 200, 140), (300, 210), 4),
        (Window(140, 60, 200, 140), (100, 70), 3),
    ],
    ids=["enlarged", "shrunk"],
)
def test_a_slow_move_does_not_jitter(start: Window, target: tuple[int, int], sigma: float) -> None:
    """A spot at a fixed place of the recording is found there in each frame, by the place of the window."""
    chroma = blob((135, 240), 120, 65, sigma)
    planes = Planes(blob((270, 480), 240, 130, sigma), chroma, chroma)
    across, down = start.width / target[0], start.height / target[1]
    misses = []
    for step in range(40):
        window = start._replace(x=start.x + step * 0.0637, y=start.y + step * 0.0419)
        result = cropped(planes, window, target)
        luma = centroid(result.y)
        # Sited left: half a pixel of luma to the left of the middle, in the source and in the target.
        left = 2 * centroid(result.u)[0] - 0.5, 2 * centroid(result.u)[1]
        misses.append(
            [
                window.x + luma[0] * across - 240,
                window.y + luma[1] * down - 130,
                window.x + left[0] * across - (240 - 0.5),
                window.y + left[1] * down - 130,
            ]
        )

    assert np.std(misses, axis=0).max() < 0.05
    assert np.abs(np.mean(misses, axis=0)).max() < 0.05
