"""What drawn texts have in common: the font, and which letters are drawn. Pillow draws them."""

from __future__ import annotations

import unicodedata
from importlib.resources import files
from io import BytesIO

from PIL import ImageFont

SMALLEST = 0.5
"""Of the size for 1080 rows: in frames of fewer than 540 rows texts keep the size of those of 540, or no
letter could be read."""
_FONT = files(__package__) / "fonts" / "wqy-microhei.ttc"


def font_of(points: float) -> ImageFont.FreeTypeFont:
    """The font in a size, in pixels. For one thread, as FreeType's faces are: so it is not from a file."""
    return ImageFont.truetype(BytesIO(_FONT.read_bytes()), max(round(points), 1), index=0)


def literal(text: str) -> str:
    """As one line: no control characters, and composed letters, which the font has."""
    clean = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter
        for letter in text.encode("utf-8", "replace").decode()
    )
    return unicodedata.normalize("NFC", clean).strip()


def even(pixels: float) -> int:
    """An even number of pixels, at least 2: as planes of colours have half the size."""
    return max(2 * round(pixels / 2), 2)
