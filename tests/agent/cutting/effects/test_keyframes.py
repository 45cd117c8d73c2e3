"""Crop windows and highlights over time."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.cutting.effects.keyframes import CropPath, HighlightPath, Window
from clipping.contract.choices import Interpolation
from clipping.contract.effects import CropKeyframe, Framing, HighlightKeyframe, Overlay, Region

SIZE = (1920, 1080)
RATE = Fraction(30)
NTSC = Fraction(30000, 1001)


def path(
    *keyframes: CropKeyframe, interpolation: Interpolation = "linear", rate: Fraction = RATE
) -> CropPath:
    return CropPath(Framing(keyframes=keyframes, interpolation=interpolation), rate)


def key(time: float, x: float = 0, y: float = 0, width: float = 400, height: float = 300) -> CropKeyframe:
    return CropKeyframe(time=time, x=x, y=y, width=width, height=height)


VECTOR = [key(time, x) for time, x in enumerate((0, 100, 50, 200))]


@pytest.mark.parametrize(
    ("interpolation", "time", "x"),
    [
        ("linear", 0.5, 50),
        ("linear", 1.5, 75),
        ("linear", 2.5, 125),
        ("spline", 0.5, 53.125),
        ("spline", 1.5, 71.875),
        ("spline", 2.5, 121.875),
    ],
)
def test_the_editors_own_values(interpolation: Interpolation, time: float, x: float) -> None:
    assert path(*VECTOR, interpolation=interpolation).at(time, SIZE) == Window(x, 0, 400, 300)


@pytest.mark.parametrize("interpolation", ["linear", "spline"])
def test_the_first_and_the_last_keyframe_apply_beyond_their_times(interpolation: Interpolation) -> None:
    crop = path(*reversed(VECTOR), interpolation=interpolation)

    assert crop.at(-1, SIZE).x == crop.at(0, SIZE).x == 0
    assert crop.at(3, SIZE).x == crop.at(100, SIZE).x == 200


def test_sizes_move_too() -> None:
    crop = path(key(0, 100, 100, 400, 300), key(2, 200, 50, 800, 600))

    assert crop.at(1, SIZE) == Window(150, 75, 600, 450)


@pytest.mark.parametrize("interpolation", ["linear", "spline"])
def test_of_equal_times_the_earlier_applies(interpolation: Interpolation) -> None:
    crop = path(key(0), key(1, 100), key(1, 900), key(2, 300), interpolation=interpolation)

    assert crop.at(1, SIZE).x == 100
    assert crop.at(0.999, SIZE).x < 101
    assert 100 < crop.at(1.001, SIZE).x < 101


def test_frames_are_times_of_the_recordings_rate() -> None:
    frames = [CropKeyframe(frame=frame, x=frame, y=0, width=400, height=300) for frame in (0, 300)]
    crop = path(*frames, rate=NTSC)

    assert crop.at(float(150 / NTSC), SIZE).x == pytest.approx(150, abs=1e-6)
    assert crop.at(float(300 / NTSC), SIZE).x == 300


def test_a_path_needs_keyframes() -> None:
    with pytest.raises(ValueError, match="at least one"):
        path()
    with pytest.raises(ValueError, match="one of time and frame"):
        path(CropKeyframe(x=0, y=0, width=1, height=1))


def test_a_path_that_never_moves_is_static() -> None:
    assert path(key(0, 5)).static == path(key(0, 5), key(1, 5), interpolation="spline").static
    assert path(key(0, 5)).static == Window(5, 0, 400, 300)
    assert path(key(0, 5), key(1, 6)).static is None
    assert path(key(0), key(1, width=401)).static is None


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        (Window(-10, -20, 400, 300), Window(0, 0, 400, 300)),
        (Window(1800, 1000, 400, 300), Window(1520, 780, 400, 300)),
        (Window(50, 50, 4000, 300), Window(0, 50, 1920, 300)),
        (Window(50, 50, 4000, 3000), Window(0, 0, 1920, 1080)),
        (Window(0.25, 0.5, 1919.5, 1079.25), Window(0.25, 0.5, 1919.5, 1079.25)),
        (Window(10, 10, -3, 0), Window(10, 10, 1, 1)),
    ],
)
def test_a_window_is_moved_into_the_frame(window: Window, inside: Window) -> None:
    assert window.clamped(SIZE) == inside


def test_a_spline_never_reaches_a_size_of_zero() -> None:
    crop = path(
        key(0, width=1900), key(1, width=10), key(2, width=10), key(3, width=1900), interpolation="spline"
    )

    assert crop.at(1.5, SIZE).width == 1


numbers = st.floats(-3000, 3000).map(lambda number: round(number, 3))
sides = st.floats(1, 3000).map(lambda number: round(number, 3))
crops = st.lists(
    st.builds(key, st.floats(0, 60).map(lambda number: round(number, 3)), numbers, numbers, sides, sides),
    min_size=1,
    max_size=6,
    unique_by=lambda keyframe: keyframe.time,
)
interpolations: st.SearchStrategy[Any] = st.sampled_from(["linear", "spline"])
frame_sizes = st.tuples(st.integers(2, 4000), st.integers(2, 4000))
quick = settings(max_examples=60, deadline=None)


@quick
@given(crops, interpolations, st.floats(-1, 61), frame_sizes)
def test_windows_are_inside_the_frame(
    keyframes: list[CropKeyframe], interpolation: Interpolation, time: float, size: tuple[int, int]
) -> None:
    x, y, width, height = path(*keyframes, interpolation=interpolation).at(time, size)

    assert width > 0
    assert height > 0
    assert x >= 0
    assert y >= 0
    assert x + width <= size[0] + 1e-9
    assert y + height <= size[1] + 1e-9


@quick
@given(crops, interpolations, frame_sizes)
def test_a_keyframe_has_its_own_values_at_its_time(
    keyframes: list[CropKeyframe], interpolation: Interpolation, size: tuple[int, int]
) -> None:
    crop = path(*keyframes, interpolation=interpolation)

    for keyframe in keyframes:
        own = Window(keyframe.x, keyframe.y, keyframe.width, keyframe.height)
        assert keyframe.time is not None
        window = crop.at(keyframe.time, size)
        assert window == own.clamped(size)
        assert window.width == own.width or own.width > size[0]
        assert window.height == own.height or own.height > size[1]


@quick
@given(crops, st.floats(0, 1))
def test_linear_values_stay_between_their_neighbours(keyframes: list[CropKeyframe], share: float) -> None:
    huge = (10_000, 10_000)
    crop = path(*[k.model_copy(update={"x": k.x + 3000, "y": k.y + 3000}) for k in keyframes])
    times = sorted(keyframe.time or 0.0 for keyframe in keyframes)

    for before, after in pairwise(times):
        ends = zip(crop.at(before, huge), crop.at(after, huge), strict=True)
        for value, pair in zip(crop.at(before + (after - before) * share, huge), ends, strict=True):
            assert min(pair) - 1e-6 <= value <= max(pair) + 1e-6


def spot(time: float, x: float = 100, **others: Any) -> HighlightKeyframe:
    return HighlightKeyframe(**{"time": time, "x": x, "y": 50, "radiusX": 20, "radiusY": 40, **others})


def region(start: float, end: float, *keyframes: HighlightKeyframe, **others: Any) -> Region:
    return Region(start_time=start, end_time=end, keyframes=keyframes, **others)


def highlight(*regions: Region) -> HighlightPath:
    return HighlightPath(Overlay(regions=regions))


def test_a_highlight_moves_from_keyframe_to_keyframe() -> None:
    ellipse = highlight(
        region(
            0,
            2,
            spot(2, 300, y=150, radiusX=40, radiusY=20, opacity=0.5, color="#00ff00"),
            spot(0, 100, opacity=0.1, color="#FF0000"),
        )
    ).at(1.5, SIZE)

    assert ellipse is not None
    assert ellipse[:4] == (250, 125, 35, 25)
    assert ellipse.opacity == pytest.approx(0.4)
    assert ellipse.color == (255, 0, 0)


def test_the_color_changes_at_a_keyframe() -> None:
    path = highlight(
        region(0, 9, spot(0, color="#FF0000"), spot(1, color="#00FF00"), spot(2, color="#0000FF"))
    )
    colors = [getattr(path.at(time, SIZE), "color", None) for time in (0, 0.99, 1, 1.5, 2)]

    assert colors == [(255, 0, 0), (255, 0, 0), (0, 255, 0), (0, 255, 0), (0, 0, 255)]


def test_the_first_keyframe_applies_before_its_time_and_nothing_after_the_last() -> None:
    path = highlight(region(0, 9, spot(3, 100), spot(4, 200)))

    assert [getattr(path.at(time, SIZE), "x", None) for time in (0, 3, 4, 4.01, 9)] == [
        100,
        100,
        200,
        None,
        None,
    ]
    one = highlight(region(0, 9, spot(3)))
    assert [one.at(time, SIZE) is not None for time in (0, 3, 3.01)] == [True, True, False]


@pytest.mark.parametrize("rate", [Fraction(25), RATE, NTSC, Fraction(60000, 1001), Fraction(24000, 1001)])
def test_both_ends_of_a_region_are_inclusive_to_the_frame(rate: Fraction) -> None:
    first, last = 37, 98
    # As editors send them: rounded to a microsecond.
    start, end = round(float(first / rate), 6), round(float(last / rate), 6)
    path = highlight(region(start, end, spot(start), spot(end, color="#123456")))

    drawn = [path.at(float(frame / rate), SIZE) for frame in range(200)]

    assert [frame for frame, ellipse in enumerate(drawn) if ellipse] == list(range(first, last + 1))
    assert getattr(drawn[last], "color", None) == (0x12, 0x34, 0x56)


def test_the_first_enabled_region_applies() -> None:
    late = region(1, 9, spot(9, 300))
    path = highlight(region(0, 5, spot(9, 100), enabled=False), region(0, 2, spot(1, 200)), late)

    # The second region contains 1.5, and draws nothing there any more.
    assert [getattr(path.at(time, SIZE), "x", None) for time in (0.5, 1.5, 3)] == [200, None, 300]


def test_coordinates_are_scaled_to_the_frame() -> None:
    path = highlight(region(0, 9, spot(9), videoWidth=960, videoHeight=360))

    assert path.at(0, SIZE) == (200, 150, 40, 120, 0.15, (255, 255, 0))


def test_values_out_of_range_are_limited() -> None:
    first_spot = spot(0).model_copy(update={"opacity": -1, "radius_x": -5})
    last_spot = spot(9).model_copy(update={"opacity": 2})
    path = highlight(region(0, 9, first_spot, last_spot))

    first, last = path.at(0, SIZE), path.at(9, SIZE)
    assert first is not None
    assert (first.opacity, first.radius_x) == (0, 0)
    assert last is not None
    assert last.opacity == 1


@pytest.mark.parametrize("color", ["red", "#FFF", "#GG0000", "FFFF00", "#FFFF000", "#FFFF00\n"])
def test_a_color_is_six_hex_digits(color: str) -> None:
    with pytest.raises(ValueError, match="is not #RRGGBB"):
        highlight(region(0, 9, spot(0).model_copy(update={"color": color})))


periods = st.tuples(st.floats(0, 60), st.floats(0, 60), st.booleans())
regions = st.lists(
    st.builds(
        lambda period, times: region(*sorted(period[:2]), *map(spot, times), enabled=period[2]),
        periods,
        st.lists(st.floats(0, 60), min_size=1, max_size=4),
    ),
    max_size=4,
)


@quick
@given(regions, st.floats(0, 60))
def test_nothing_is_drawn_outside_of_the_regions(regions: list[Region], time: float) -> None:
    margin = 1e-5
    assume(not any(r.enabled and r.start_time - margin <= time <= r.end_time + margin for r in regions))

    assert highlight(*regions).at(time, SIZE) is None
