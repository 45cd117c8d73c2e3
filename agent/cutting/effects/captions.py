"""Captions that are burned in at the bottom of frames: white letters with a black outline, by Pillow."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from PIL import Image, ImageDraw

from agent.cutting.effects.lettering import SMALLEST, even, font_of, literal

SIZE, LINE, OUTLINE = 48, 62, 3
"""Of letters, from line to line, and around letters. Pixels of a frame of 1080 rows."""
MOST_LINES = 6
"""At once."""
BOTTOM, WIDTH = 0.05, 0.9
"""What is left free below them, of the frame's height; how wide they may be, of its width."""
_NARROWEST = 9 / 16
"""In frames that are narrower than this for their height, letters are smaller."""
_JOINED = "\u200d\ufe0f"
"""Zero-width joiner and variation selector: not to be separated from what is before them."""


class CaptionArt:
    """How captions are drawn on frames of one size. For one thread."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: width and height of the frames."""
        self._size = width, height = size
        self._scale = max(min(height, width / _NARROWEST) / 1080, SMALLEST)
        self._font = font_of(SIZE * self._scale)
        self._outline = max(1, round(OUTLINE * self._scale))
        self._room = max(1.0, width * WIDTH - 2 * self._outline)
        self._wrapped: dict[str, tuple[str, ...]] = {}

    def lines(self, text: str) -> tuple[str, ...]:
        """The text in lines that fit: at most `MOST_LINES`, of which the last then ends in an ellipsis."""
        if text not in self._wrapped:
            found = [part for line in text.split("\n") for part in self._broken(literal(line))]
            if len(found) > MOST_LINES:
                found = [*found[: MOST_LINES - 1], self._ellipsis(found[MOST_LINES - 1])]
            self._wrapped[text] = tuple(found)
        return self._wrapped[text]

    def box(self, captions: Iterable[Sequence[str]]) -> tuple[int, int]:
        """The width and height of an image that has room for each of these captions' lines."""
        all_lines = list(captions)
        widest = max(self._font.getlength(line) for lines in all_lines for line in lines)
        most = max(len(lines) for lines in all_lines)
        return (
            min(even(widest + 4 * self._outline), self._size[0] // 2 * 2),
            even(most * LINE * self._scale + 2 * self._outline),
        )

    def place(self, box: tuple[int, int]) -> tuple[int, int]:
        """Where the top left corner of such an image is in the frame. Both even."""
        width, height = self._size
        return (width - box[0]) // 4 * 2, max(0, even(height * (1 - BOTTOM)) - box[1])

    def image(self, lines: Sequence[str], box: tuple[int, int]) -> Image.Image:
        """The lines at the bottom of an image of this size, RGBA."""
        # Transparent black, as the outline: a blend of both has no other colour.
        image = Image.new("RGBA", box, (0, 0, 0, 0))
        draw = ImageDraw.Draw(image)
        for number, line in enumerate(reversed(lines)):
            middle = box[1] - self._outline - (number + 0.5) * LINE * self._scale
            draw.text(
                (box[0] / 2, middle),
                line,
                fill="#FFFFFF",
                font=self._font,
                anchor="mm",
                stroke_width=self._outline,
                stroke_fill="#000000",
            )
        return image

    def _broken(self, line: str) -> Iterator[str]:
        """Between words, or within a word that is too long for a line."""
        current = ""
        for word in line.split(" "):
            longer = f"{current} {word}" if current else word
            if self._fits(longer):
                current = longer
                continue
            if current:
                yield current
            while not self._fits(word):
                count = self._fitting(word)
                yield word[:count]
                word = word[count:]
            current = word
        if current:
            yield current

    def _fits(self, text: str) -> bool:
        return self._font.getlength(text) <= self._room

    def _fitting(self, word: str) -> int:
        """How many letters of a word that is too long fit, at least 1."""
        shortest, longest = 1, len(word) - 1
        while shortest < longest:
            middle = (shortest + longest + 1) // 2
            shortest, longest = (middle, longest) if self._fits(word[:middle]) else (shortest, middle - 1)
        whole = shortest
        while whole > 1 and (unicodedata.combining(word[whole]) or word[whole] in _JOINED):
            whole -= 1
        return whole

    def _ellipsis(self, line: str) -> str:
        while line and not self._fits(f"{line}…"):
            line = line[:-1]
        return f"{line.rstrip()}…"
