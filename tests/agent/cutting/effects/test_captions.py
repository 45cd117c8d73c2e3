"""The letters of burned-in captions."""

from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt
import pytest

from agent.cutting.effects.captions import MOST_LINES, CaptionArt

HD, PORTRAIT = (1920, 1080), (1080, 1920)
Pixels = npt.NDArray[np.float64]


def pixels(text: str, size: tuple[int, int] = HD, box: tuple[int, int] = (1728, 256)) -> Pixels:
    art = CaptionArt(size)
    image = art.image(art.lines(text), box)
    assert (image.mode, image.size) == ("RGBA", box)
    return np.asarray(image, float)


def ink(image: Pixels) -> tuple[int, int, int, int]:
    """The first and last row and column that are not transparent."""
    rows, columns = np.nonzero(image[..., 3])
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


@pytest.mark.parametrize("letter", list("%,:'\\{}[];=\"$#&<>축구日あЖλ♠♥é"))
def test_any_letter_is_drawn_as_itself(letter: str) -> None:
    drawing = pixels(f"a{letter}{letter}b")
    for other in ("ab", "axxb", "a\ufffe\ufffeb"):
        assert (drawing != pixels(other)).any()


@pytest.mark.parametrize("text", ["%{pts}", "50%", "{\\an8}", "a\\Nb", "it's: a, b", "{b}"])
def test_nothing_is_expanded(text: str) -> None:
    def width(drawn: str) -> int:
        _, _, left, right = ink(pixels(f"|{drawn}|"))
        return right - left

    letters = sum(width(letter) - width("") for letter in text)
    assert width(text) - width("") == pytest.approx(letters, abs=2 + len(text))


def test_letters_are_white_with_a_black_outline_and_nothing_around() -> None:
    image = pixels("HII")
    assert {tuple(pixel) for pixel in image[image[..., 3] == 0]} == {(0, 0, 0, 0)}
    grey = image[image[..., 3] > 0]
    assert (grey[:, 0] == grey[:, 1]).all()
    assert (grey[:, 0] == grey[:, 2]).all()
    white = (image[..., 0] > 250) & (image[..., 3] == 255)
    around = np.zeros_like(white)
    for down, right in ((-2, 0), (2, 0), (0, -2), (0, 2)):
        around |= np.roll(white, (down, right), (0, 1))
    assert (image[..., 3][around] > 250).all()


def test_lines_are_centred_at_the_bottom() -> None:
    top, bottom, left, right = ink(pixels("two\nlines"))
    assert (left + right) / 2 == pytest.approx(1728 / 2, abs=2)
    assert bottom > 256 - 30
    assert ink(pixels("lines"))[0] > top + 50


@pytest.mark.parametrize("size", [HD, PORTRAIT, (640, 360), (320, 180), (320, 640), (64, 48), (16, 16)])
def test_the_image_is_inside_the_safe_area(size: tuple[int, int]) -> None:
    art = CaptionArt(size)
    lines = art.lines("a caption of some words that does not fit into a line " * 2)
    box = art.box([lines, art.lines("축")])
    x, y = art.place(box)
    assert all(side % 2 == 0 for side in (x, y, *box))
    assert (x >= 0, x + box[0] <= size[0]) == (True, True)
    assert abs(size[0] - box[0] - 2 * x) <= 2
    if size[1] >= 180:
        assert y + box[1] == pytest.approx(0.95 * size[1], abs=2)
        _, _, left, right = ink(np.asarray(art.image(lines, box), float))
        assert left + x >= 0.05 * size[0] - 2
        assert right + x <= 0.95 * size[0] + 2


@pytest.mark.parametrize(("size", "factor"), [((3840, 2160), 2.0), (PORTRAIT, 16 / 9), ((640, 360), 0.5)])
def test_letters_scale_with_the_height(size: tuple[int, int], factor: float) -> None:
    top, bottom, *_ = ink(pixels("|"))
    larger = ink(pixels("|", size))
    assert larger[1] - larger[0] == pytest.approx((bottom - top) * factor, rel=0.06)


def test_long_lines_are_broken_between_words() -> None:
    art = CaptionArt(PORTRAIT)
    text = "one of these words is much too long " * 2
    assert " ".join(art.lines(text)) == text.strip()
    assert len(art.lines(text)) > 2


def test_a_word_that_is_too_long_is_broken_but_no_letter_is() -> None:
    art = CaptionArt((320, 180))
    assert "".join(art.lines("漢字" * 20)) == "漢字" * 20
    accented = "x\u0323\u0304" * 20  # no composed form
    lines = art.lines(accented)
    assert "".join(lines) == unicodedata.normalize("NFC", accented)
    assert all(not unicodedata.combining(line[0]) for line in lines)


def test_more_lines_than_there_is_room_for_end_in_an_ellipsis() -> None:
    art = CaptionArt(HD)
    assert art.lines("\n".join("abcdefgh")) == (*"abcde"[: MOST_LINES - 1], "f…")
    assert art.lines("\n".join("abcdef")) == tuple("abcdef")


def test_decomposed_letters_are_composed() -> None:
    text = "축구 é"
    np.testing.assert_array_equal(pixels(unicodedata.normalize("NFD", text)), pixels(text))
