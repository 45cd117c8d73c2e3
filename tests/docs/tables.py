"""Tables of Markdown: written, and read back for the columns that people write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_CELL = re.compile(r"(?<!\\)\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; `|` in a cell is escaped."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def escaped(cell: str) -> str:
    """Text for one cell."""
    return " ".join(cell.replace("|", "\\|").split())


def code(text: object) -> str:
    """As code."""
    return f"`{text}`"


def rows(text: str) -> list[list[str]]:
    """The cells of all tables of a page, without heads and rules."""
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and lines[number + 1].startswith("|---")
        if line.startswith("|") and not line.startswith("|---") and not is_head:
            cells = _CELL.split(line.strip().removeprefix("|").removesuffix("|"))
            found.append([cell.strip().replace("\\|", "|") for cell in cells])
    return found


def kept(page: Path, columns: int) -> dict[str, list[str]]:
    """By a row's first cell, its last `columns` cells: what people wrote, and a generator keeps."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return {cells[0]: cells[-columns:] for cells in rows(text)}
