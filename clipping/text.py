"""Text that is displayed and logged: checks (one line, no control characters), and how a field is named."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

PLAIN_TEXT = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""No control character (Unicode category Cc) and no line or paragraph separator (Zl, Zp)."""
_PLAIN_TEXT = re.compile(PLAIN_TEXT)
_NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def is_one_line(text: str) -> bool:
    """Whether `text` matches `PLAIN_TEXT`."""
    return _PLAIN_TEXT.fullmatch(text) is not None


def is_plain_text(text: str) -> bool:
    """Whether `text` matches `PLAIN_TEXT` and is valid Unicode (no lone surrogates)."""
    return is_one_line(text) and not any("\ud800" <= c <= "\udfff" for c in text)


def as_one_line(text: str) -> str:
    """The text with `?` for each character that `is_one_line` refuses: names of files may hold commands to a
    terminal."""
    return _NOT_PLAIN.sub("?", text)


def check_one_line(text: str) -> None:
    """Raises `ValueError` unless `is_one_line`."""
    if not is_one_line(text):
        raise ValueError("must not contain control or line separator characters")


def folded(text: str) -> str:
    """As texts are compared in a search: in one case, and with letters composed, which names of files that
    Macs write are not (an accent or a part of a Korean syllable is a character of its own there)."""
    return unicodedata.normalize("NFC", text.casefold())


def field_path(parts: Iterable[str | int]) -> str:
    """How a field of a request is named: `clips[3].output.width` for ("clips", 3, "output", "width")."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
