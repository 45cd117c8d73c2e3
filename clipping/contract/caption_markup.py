"""The text of a caption: styled runs, without the tags of SubRip and WebVTT. Pure."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntFlag
from itertools import groupby


class Style(IntFlag):
    """How letters look; the values are those of 3GPP timed text (MP4)."""

    PLAIN = 0
    BOLD = 1
    ITALIC = 2
    UNDERLINE = 4


STYLES = {"b": Style.BOLD, "i": Style.ITALIC, "u": Style.UNDERLINE}
"""By the names of tags."""


@dataclass(frozen=True)
class Run:
    """Letters of one style."""

    text: str
    style: Style = Style.PLAIN


_SRT_TAG = re.compile(r"<(/?)(?:([biu])|(s)|font(?:[ \t][^<>]*)?)>", re.IGNORECASE)
_VTT_TAG = re.compile(r"<(/?)([^\s<>./]*)([^<>]*)>")
_VTT_IGNORED = {
    "c": "classes",
    "v": "voices",
    "lang": "languages",
    "ruby": "ruby",
    "rt": "ruby",
}


def without_srt_tags(text: str, line: int, ignored: dict[str, None]) -> Iterator[Run]:
    """The runs of a SubRip caption; `ignored` collects what of its style is left out.

    What is no tag of SubRip is text: `a < b`, `<unknown>`, `&amp;`, `{…}`.
    """
    opened: Counter[str] = Counter()
    pieces, at = [], 0
    for tag in _SRT_TAG.finditer(text):
        pieces.append((text[at : tag.start()], _style(opened)))
        at = tag.end()
        if tag[2]:
            _turn(opened, tag[2].lower(), closes=bool(tag[1]))
        else:
            ignored["strike-through" if tag[3] else "fonts and colours"] = None
    pieces.append((text[at:], _style(opened)))
    return _tidy(pieces)


def without_vtt_tags(text: str, line: int, ignored: dict[str, None]) -> Iterator[Run]:
    """The runs of a WebVTT caption that begins in this line; `ignored` as in `without_srt_tags`.

    Raises `ValueError` for a `<` that opens no tag.
    """
    opened: Counter[str] = Counter()
    pieces, at = [], 0
    while (start := text.find("<", at)) >= 0:
        pieces.append((html.unescape(text[at:start]), _style(opened)))
        tag = _VTT_TAG.match(text, start)
        if tag is None:
            number = line + text.count("\n", 0, start)
            raise ValueError(f"line {number}: must not contain < without >: write &lt; for the character")
        at = tag.end()
        closes, name, rest = bool(tag[1]), tag[2], tag[3]
        if name in STYLES:
            _turn(opened, name, closes=closes)
            if rest.startswith("."):
                ignored["classes"] = None
        elif not closes:
            ignored[_VTT_IGNORED.get(name, "times of words" if name[:1].isdigit() else "unknown tags")] = None
    pieces.append((html.unescape(text[at:]), _style(opened)))
    return _tidy(pieces)


def _turn(opened: Counter[str], name: str, *, closes: bool) -> None:
    opened[name] = max(0, opened[name] - 1) if closes else opened[name] + 1


def _style(opened: Counter[str]) -> Style:
    found = Style.PLAIN
    for name, style in STYLES.items():
        if opened[name]:
            found |= style
    return found


def _tidy(pieces: Iterable[tuple[str, Style]]) -> Iterator[Run]:
    """Without blank lines and spaces around lines; control characters (written as entities) are spaces."""
    letters = [(" " if _is_control(letter) else letter, style) for text, style in pieces for letter in text]
    lines: list[list[tuple[str, Style]]] = [[]]
    for letter, style in letters:
        if letter == "\n":
            lines.append([])
        elif letter != " " or lines[-1]:
            lines[-1].append((letter, style))
    kept: list[tuple[str, Style]] = []
    for each in lines:
        while each and each[-1][0] == " ":
            each.pop()
        if each:
            kept += ([("\n", each[0][1])] if kept else []) + each
    for style, group in groupby(kept, key=lambda pair: pair[1]):
        yield Run("".join(letter for letter, _ in group), style)


def _is_control(letter: str) -> bool:
    return letter != "\n" and unicodedata.category(letter) in ("Cc", "Zl", "Zp")
