"""Parses the CSV file of `clipping batch`. Pure."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from clipping.client import NewClip
from clipping.commands.columns import EFFECTS, NUMBER, OPTIONAL, PLAIN, RECORDING, REQUIRED, SWITCH, TEXT
from clipping.contract import json_file

_ALIASES = {"start_seconds": "start", "end_seconds": "end"}


class BadSheet(ValueError):
    """The file is invalid."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Row:
    """A line of the file: a clip, or its error."""

    line: int
    """The number of its last line in the file, from 1."""
    hand_id: str
    clip: NewClip | None
    problem: str = ""


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """The clips of a file, with a line of column names. Raises `BadSheet` for those, and at a line
    that is no CSV. Columns are separated by commas or, as some spreadsheets write them, by semicolons."""
    all_lines = iter(lines)
    head_line = next(all_lines, "")
    delimiter = ";" if head_line.count(";") > head_line.count(",") else ","
    reader = csv.reader(chain([head_line], all_lines), strict=True, delimiter=delimiter)
    try:
        head = _columns(next(reader, []))
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _row(reader.line_num, head, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise BadSheet([f"line {reader.line_num}: not valid CSV: {error}"]) from None


def _columns(cells: list[str]) -> list[str]:
    names = [cell.strip().removeprefix("\ufeff") for cell in cells]
    names = [_ALIASES.get(name, name) for name in names]
    problems = [f"line 1: the column {name} is missing" for name in REQUIRED if name not in names]
    if not any(name in names for name in RECORDING):
        problems.append(f"line 1: the column {' or '.join(RECORDING)} is missing")
    for name in names:
        known = (
            name in (*REQUIRED, *RECORDING)
            or name in OPTIONAL
            or (name.startswith("metadata.") and name != "metadata.")
        )
        if not known:
            problems.append(
                f"line 1: unknown column {name!r}: {', '.join((*REQUIRED, *RECORDING, *OPTIONAL))}"
            )
        elif names.count(name) > 1 and f"line 1: the column {name} is duplicated" not in problems:
            problems.append(f"line 1: the column {name} is duplicated")
    if problems:
        raise BadSheet(problems)
    return names


def _row(line: int, head: list[str], cells: list[str]) -> Row:
    if len(cells) != len(head):
        return Row(line, "", None, f"it has {len(cells)} fields, and the first line {len(head)}")
    given = {name: cell for name, cell in zip(head, cells, strict=True) if cell}
    hand_id = given.get("hand_id", "")
    missing = [name for name in REQUIRED if name not in given]
    recordings = [name for name in RECORDING if name in given]
    if not recordings:
        missing.append(" or ".join(RECORDING))
    if missing:
        return Row(line, hand_id, None, f"{', '.join(missing)} is empty")
    if len(recordings) > 1:
        return Row(line, hand_id, None, f"{' and '.join(recordings)} are given: leave all but one empty")
    try:
        return Row(line, hand_id, _clip(given))
    except ValueError as error:
        return Row(line, hand_id, None, str(error))


def _clip(given: dict[str, str]) -> NewClip:
    output: dict[str, Any] = {}
    for name in (*TEXT, *NUMBER):
        if (text := given.get(f"output.{name}")) is not None:
            output[name] = _number(f"output.{name}", text) if name in NUMBER else text
    for name in SWITCH:
        if (text := given.get(f"output.{name}")) is not None:
            output[name] = _switch(f"output.{name}", text)
    more: dict[str, Any] = {name: given[name] for name in PLAIN if name in given}
    if output:
        more["output"] = output
    if (text := given.get(EFFECTS)) is not None:
        more[EFFECTS] = json_file.object_of(text, EFFECTS, example=json_file.EFFECTS)
    pairs = {name.partition(".")[2]: cell for name, cell in given.items() if name.startswith("metadata.")}
    if pairs:
        more["metadata"] = pairs
    return NewClip(
        hand_id=given["hand_id"],
        nas_video_path=given.get("nas_video_path"),
        source_uri=given.get("source_uri"),
        recording_id=given.get("recording_id"),
        start_seconds=given["start"],
        end_seconds=given["end"],
        client_item_id=given.get("client_item_id"),
        more=more,
    )


def _switch(name: str, text: str) -> bool:
    # Spreadsheets write TRUE and FALSE.
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, not {text!r}")
    return text.lower() == "true"


def _number(name: str, text: str) -> int | float:
    try:
        number = float(text) if name == "output.fps" else int(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a number, not {text!r}")
    return number
