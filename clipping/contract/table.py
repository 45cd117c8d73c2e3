"""The table of a reel's parts, or of annotations: tab-separated values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADING = ("start_time", "end_time", "name", "rating", "tags", "notes")


@dataclass(frozen=True)
class Row:
    """One line. Times are seconds of the recording."""

    start: float
    end: float
    name: str
    rating: int | None
    tags: Sequence[str]
    notes: str | None


def table(rows: Iterable[Row]) -> str:
    """With a heading. Times are `M:SS.ss`; a tab or a line break within a text becomes a space."""
    lines = [HEADING, *(_cells(row) for row in rows)]
    return "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    rating = "" if row.rating is None else str(row.rating)
    return _minutes(row.start), _minutes(row.end), row.name, rating, ",".join(row.tags), row.notes or ""


def _minutes(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"
