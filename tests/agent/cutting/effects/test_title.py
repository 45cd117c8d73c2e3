"""The burned-in title."""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np
import pytest

from agent.cutting.effects.title import title_image
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
    image = pixels("n", size=size, rating=rating)

    assert image[0, 0].tolist() == [*bytes.fromhex(COLORS[rating]), 255]


def test_the_box_is_white_at_95_percent() -> None:
    assert pixels("A")[10, 108].tolist() == [255, 255, 255, round(0.95 * 255)]


def test_the_border_is_four_pixels_wide() -> None:
    image = pixels("A")

    assert (image[4:-4, 4:-4, 3] < 255).any(axis=1).all()
    for edge in (image[:4], image[-4:], image[:, :4], image[:, -4:]):
        assert (edge == [0x15, 0x65, 0xC0, 255]).all()


@pytest.mark.parametrize("size", [(64, 48), (16, 16)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    image, _ = title_image(Title(name="A long name", notes="notes"), size)

    assert image.size[0] <= size[0]


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
