"""The note that is burned in at the top of each frame: a box with a name, notes and the colour of a rating.

Pillow draws the text: ffmpeg's drawtext would expand `%` and lacks a fallback for missing letters.
"""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from agent.cutting.effects.lettering import SMALLEST, even, font_of, literal
from clipping.contract.effects import Title

RATINGS = {
    1: ("??", "#C62828"),
    2: ("?", "#F9A825"),
    3: ("!?", "#1565C0"),
    4: ("!", "#2E7D32"),
    5: ("!!", "#66BB6A"),
}
"""Notation and colour."""
WIDTH = 0.8
"""Of the frame's."""
TOP, HEIGHT, HEIGHT_WITH_NOTES, BORDER = 10, 50, 80, 4
"""Pixels of a frame of 1080 rows, as all sizes here."""
NAME_SIZE, NAME_CENTRE = 24, 25
NOTES_SIZE, NOTES_CENTRE = 16, 53
NOTES_LENGTH = 100
"""Characters."""
PADDING = 10
OPACITY = 0.95
NAME_COLOR, NOTES_COLOR = "#000000", "#333333"


def title_image(title: Title, size: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """The box for frames of `size` (width, height), RGBA, and the place (x, y) of its top left corner.

    Position, size and border are even, so that each pixel of chroma lies wholly inside or outside. Text
    that is too long ends in an ellipsis.
    """
    scale = max(size[1] / 1080, SMALLEST)
    notation, color = RATINGS[title.rating]
    notes = literal(title.notes or "")
    width = even(size[0] * WIDTH)
    box = width, even((HEIGHT_WITH_NOTES if notes else HEIGHT) * scale)
    border = even(BORDER * scale)
    image = Image.new("RGBA", box, color)
    inner = (border, border, box[0] - border, box[1] - border)
    image.paste((255, 255, 255, round(255 * OPACITY)), inner)

    room = width - 2 * (border + round(PADDING * scale))
    lines = [(f"{notation}  {literal(title.name)}".rstrip(), NAME_SIZE, NAME_CENTRE, NAME_COLOR)]
    if notes:
        lines.append((_shortened(notes, NOTES_LENGTH), NOTES_SIZE, NOTES_CENTRE, NOTES_COLOR))
    draw = ImageDraw.Draw(image)
    for text, points, centre, fill in lines:
        font = font_of(points * scale)
        draw.text((width / 2, centre * scale), _fitting(text, font, room), fill=fill, font=font, anchor="mm")
    return image, ((size[0] - width) // 4 * 2, even(TOP * scale))


def _shortened(text: str, length: int) -> str:
    """At most `length` characters, the last of which is an ellipsis if it was longer."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _fitting(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """As much of the text as fits into `width` pixels."""
    if font.getlength(text) <= width:
        return text
    shortest, longest = 1, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if font.getlength(_shortened(text, middle)) <= width:
            shortest = middle
        else:
            longest = middle - 1
    return _shortened(text, shortest)
