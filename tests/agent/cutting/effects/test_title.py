"""The burned-in title."""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np
import pytest

from agent.cutting.effects.planes import Planes
from agent.cutting.effects.title import TitleOverlay, title_image
from clipping.contract.effects import Title
from tests.agent.cutting.effects import reference

Rating = Literal[1, 2, 3, 4, 5]
HD, PORTRAIT = (1920, 1080), (1080, 1920)
COLORS: dict[Rating, str] = {1: "C62828", 2: "F9A825", 3: "1565C0", 4: "2E7D32", 5: "66BB6A"}


def pixels(
    name: str, notes: str | None = None, size: tuple[int, int] = HD, rating: Rating = 3
) -> reference.Floats:
    image, _ = title_image(Title(name=name, notes=notes, rating=rating), size)
    assert image.mode == "RGBA"
    return np.asarray(image, float)


def flat(size: tuple[int, int], y: int = 90, u: int = 100, v: int = 150) -> Planes:
    width, height = size
    small = (height // 2, width // 2)
    return Planes(
        np.full((height, width), y, np.uint8), np.full(small, u, np.uint8), np.full(small, v, np.uint8)
    )


@pytest.mark.parametrize(
    ("size", "notes", "place", "box"),
    [
        (HD, None, (192, 10), (1536, 50)),
        (HD, "n", (192, 10), (1536, 80)),
        (PORTRAIT, None, (108, 18), (864, 88)),
        (PORTRAIT, "n", (108, 18), (864, 142)),
        ((3840, 2160), "n", (384, 20), (3072, 160)),
        ((1278, 718), None, (128, 6), (1022, 34)),
    ],
)
def test_the_box_scales_with_the_height(
    size: tuple[int, int], notes: str | None, place: tuple[int, int], box: tuple[int, int]
) -> None:
    image, position = title_image(Title(name="n", notes=notes), size)

    assert (position, image.size) == (place, box)


@pytest.mark.parametrize("size", [HD, PORTRAIT, (640, 360), (426, 240), (64, 48)])
def test_position_and_size_are_even_and_inside_the_frame(size: tuple[int, int]) -> None:
    image, (x, y) = title_image(Title(name="Name", notes="Notes"), size)

    assert all(number % 2 == 0 for number in (x, y, *image.size))
    assert x + image.size[0] <= size[0]
    assert abs(size[0] - image.size[0] - 2 * x) <= 2
    assert y + image.size[1] <= max(size[1], 44)


@pytest.mark.parametrize("size", [HD, PORTRAIT, (640, 360)])
@pytest.mark.parametrize("rating", COLORS)
def test_the_border_has_the_ratings_color(rating: Rating, size: tuple[int, int]) -> None:
    planes = flat(size)
    title = Title(name="n", rating=rating)
    _, (x, y) = title_image(title, size)

    TitleOverlay(title, size).draw(planes)

    corner = planes.y[y, x], planes.u[y // 2, x // 2], planes.v[y // 2, x // 2]
    expected = bytes.fromhex(COLORS[rating])
    np.testing.assert_allclose(reference.to_rgb(corner), list(expected), atol=2)
    codes = np.rint(reference.to_yuv(list(expected)))
    np.testing.assert_array_equal(corner, codes)


def test_the_box_is_white_at_95_percent() -> None:
    planes = flat(HD)
    TitleOverlay(Title(name="A"), HD).draw(planes)

    inside = planes.y[20, 300], planes.u[10, 150], planes.v[10, 150]
    expected = 0.95 * reference.to_yuv((255, 255, 255)) + 0.05 * np.array([90, 100, 150])
    np.testing.assert_allclose(inside, expected, atol=1)


def test_the_border_is_four_pixels_wide() -> None:
    image = pixels("A")

    assert (image[4:-4, 4:-4, 3] < 255).any(axis=1).all()
    for edge in (image[:4], image[-4:], image[:, :4], image[:, -4:]):
        assert (edge == [0x15, 0x65, 0xC0, 255]).all()


def test_nothing_outside_of_the_box_changes() -> None:
    planes = reference.frame(*HD)
    before = reference.copy(planes)

    TitleOverlay(Title(name="Name", notes="Notes"), HD).draw(planes)

    changed = np.argwhere(planes.y != before.y)
    assert changed.min(axis=0).tolist() == [10, 192]
    assert changed.max(axis=0).tolist() == [89, 1727]
    np.testing.assert_array_equal(planes.u[45:], before.u[45:])
    np.testing.assert_array_equal(planes.v[:, 864:], before.v[:, 864:])


def test_drawing_is_close_to_blending_in_floats() -> None:
    planes = reference.frame(*HD)
    expected = [plane.astype(float) for plane in planes]
    title = Title(name="Long dribble", notes="and a goal", rating=1)
    image, (x, y) = title_image(title, HD)
    rgba = np.asarray(image, float)
    alpha, codes = rgba[..., 3] / 255, reference.to_yuv(rgba[..., :3])
    box = np.s_[y : y + image.size[1], x : x + image.size[0]]
    half = np.s_[y // 2 : (y + image.size[1]) // 2, x // 2 : (x + image.size[0]) // 2]
    expected[0][box] = expected[0][box] * (1 - alpha) + alpha * codes[..., 0]
    for index in (1, 2):
        added = reference.mean_of_four(alpha * codes[..., index])
        expected[index][half] = expected[index][half] * (1 - reference.mean_of_four(alpha)) + added

    TitleOverlay(title, HD).draw(planes)

    assert reference.errors(planes, tuple(expected)) == (0, 0)


def test_a_frame_of_another_size_is_an_error() -> None:
    with pytest.raises(ValueError, match="frames of"):
        TitleOverlay(Title(name="A"), HD).draw(flat(PORTRAIT))


@pytest.mark.parametrize("size", [(64, 48), (16, 16)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    TitleOverlay(Title(name="A long name", notes="notes"), size).draw(flat(size))


@pytest.mark.parametrize("letter", list("%,:'\\{}[];=\"$#&<>축구日あЖλ♠♥é"))
def test_any_letter_is_drawn_as_itself(letter: str) -> None:
    """Another drawing than with nothing, with another letter, and with the box for missing letters."""
    drawing = pixels(f"a{letter}{letter}b")

    assert (drawing != pixels("ab")).any()
    assert (drawing != pixels("axxb")).any()
    assert (drawing != pixels("a\ufffe\ufffeb")).any()


@pytest.mark.parametrize("text", ["%{pts}", "50%", "a\\nb", "{\\b1}bold", "it's: a, b", "%%"])
def test_nothing_is_expanded(text: str) -> None:
    """As wide as the sum of its letters, each drawn alone."""

    def width(drawn: str) -> int:
        ink = np.argwhere((pixels(f"|{drawn}|")[6:-6, 6:-6, :3] < 128).all(axis=2))
        return int(ink[:, 1].max() - ink[:, 1].min())

    letters = sum(width(letter) - width("") for letter in text)
    assert width(text) - width("") == pytest.approx(letters, abs=2 + len(text))


def test_control_characters_are_spaces() -> None:
    np.testing.assert_array_equal(pixels("a\nb\tc\x00d\u2028e", "f\r\ng"), pixels("a b c d e", "f  g"))
    assert (pixels("a\ud800b") == pixels("a?b")).all()


def test_decomposed_letters_are_composed() -> None:
    text = "축구 é"
    decomposed = unicodedata.normalize("NFD", text)

    assert decomposed != text
    np.testing.assert_array_equal(pixels(decomposed), pixels(text))


@pytest.mark.parametrize("size", [HD, PORTRAIT, (320, 180)])
def test_long_names_end_in_an_ellipsis(size: tuple[int, int]) -> None:
    long = pixels("Name 골 " * 25, size=size)

    np.testing.assert_array_equal(long, pixels("Name 골 " * 25 + "other end", size=size))
    dark = (long[..., :3] < 100).all(axis=2)
    columns = np.flatnonzero(dark.any(axis=0))
    assert columns.min() > 4
    assert columns.max() < long.shape[1] - 5
    assert columns.max() - columns.min() > 0.85 * long.shape[1]


def test_notes_have_at_most_a_hundred_characters() -> None:
    np.testing.assert_array_equal(pixels("n", "i" * 99 + "jk"), pixels("n", "i" * 99 + "…"))
    assert (pixels("n", "i" * 100) != pixels("n", "i" * 99 + "…")).any()


def test_blank_notes_are_none() -> None:
    np.testing.assert_array_equal(pixels("n", " \n"), pixels("n"))


def test_the_text_is_centred() -> None:
    for image in (pixels("Goal"), pixels("Goal", "notes")):
        columns = np.flatnonzero((image[6:-6, :, :3] < 128).all(axis=2).any(axis=0))
        middle = (columns.min() + columns.max()) / 2
        assert middle == pytest.approx(image.shape[1] / 2, abs=2)
