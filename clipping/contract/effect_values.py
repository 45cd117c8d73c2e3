"""The values that effects are made of, with their limits. Errors are predicates: "must be …"."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from clipping.contract.output import MAX_SIDE, MIN_SIDE
from clipping.timecode import parse_seconds

MAX_KEYFRAMES = 10_000
MAX_REGIONS = 1_000
MAX_SEGMENTS = 200
MAX_COORDINATE = 65_536
"""Pixels: far outside of any frame, and small enough for every format of images."""
MAX_TIME = 1_000_000_000
"""Seconds, and frames: what a time string can say."""
MIN_SPEED, MAX_SPEED = 0.25, 4.0
MAX_NAME, MAX_NOTES = 200, 1_000
MAX_ID = 128
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)
_INT64 = 1 << 63


def seconds(value: object) -> float:
    """Seconds from a number or a time string. Raises `ValueError`."""
    found = parse_seconds(value)
    if found > MAX_TIME:
        raise ValueError(f"must be at most {MAX_TIME}")
    return found


def _frame(number: int | None) -> int | None:
    if number is not None and number < 0:
        raise ValueError("must not be negative")
    if number is not None and number > MAX_TIME:
        raise ValueError(f"must be at most {MAX_TIME}")
    return number


def _coordinate(pixels: float) -> float:
    if abs(pixels) > MAX_COORDINATE:
        raise ValueError(f"must be from -{MAX_COORDINATE} to {MAX_COORDINATE}")
    return pixels


def _length(pixels: float | None) -> float | None:
    if pixels is None:
        return None
    if pixels <= 0:
        raise ValueError("must be greater than 0")
    if pixels > MAX_COORDINATE:
        raise ValueError(f"must be at most {MAX_COORDINATE}")
    return pixels


def _target(pixels: int) -> int:
    if not MIN_SIDE <= pixels <= MAX_SIDE or pixels % 2:
        raise ValueError(f"must be an even number from {MIN_SIDE} to {MAX_SIDE}")
    return pixels


def _opacity(part: float) -> float:
    if not 0 <= part <= 1:
        raise ValueError("must be from 0 to 1")
    return part


def _color(text: str) -> str:
    if not _COLOR.fullmatch(text):
        raise ValueError("must be # and six hexadecimal digits, such as #FFCC00")
    return text


def _speed(speed: float) -> float:
    if not MIN_SPEED <= speed <= MAX_SPEED:
        raise ValueError(f"must be from {MIN_SPEED:g} to {MAX_SPEED:g}")
    return speed


def _name(text: str) -> str:
    if not text.strip() or len(text) > MAX_NAME:
        raise ValueError(f"must be 1 to {MAX_NAME} characters, and not only spaces")
    return text


def _notes(text: str | None) -> str | None:
    if text is not None and len(text) > MAX_NOTES:
        raise ValueError(f"must be at most {MAX_NOTES} characters")
    return text


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be 1, 2, 3, 4 or 5")  # to Python, true equals 1
    return value


def _region_id(value: object) -> str | int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < _INT64):
        return value
    if isinstance(value, str):
        if len(value) > MAX_ID:
            raise ValueError(f"must be at most {MAX_ID} characters")
        return value
    raise ValueError("must be a string or a whole number")


def list_of(most: int, *, least: int = 0) -> Any:
    """The annotations of a tuple that JSON gives as a list, counted before its items are read."""

    def check(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError("must be a list")
        if len(value) < least:
            raise ValueError("must have at least one item")
        if len(value) > most:
            raise ValueError(f"must have at most {most} items")
        return value

    # Not strict: JSON has no tuples, and behind a `before` validator pydantic does not know that it reads it.
    return Field(strict=False), BeforeValidator(check)


Time = Annotated[float, BeforeValidator(seconds)]
OptionalTime = Annotated[
    float | None, BeforeValidator(lambda value: None if value is None else seconds(value))
]
FrameNumber = Annotated[int | None, AfterValidator(_frame)]
Coordinate = Annotated[float, AfterValidator(_coordinate)]
Length = Annotated[float, AfterValidator(_length)]
OptionalLength = Annotated[float | None, AfterValidator(_length)]
TargetSide = Annotated[int, AfterValidator(_target)]
Opacity = Annotated[float, AfterValidator(_opacity)]
Color = Annotated[str, AfterValidator(_color)]
Speed = Annotated[float, AfterValidator(_speed)]
TitleName = Annotated[str, AfterValidator(_name)]
TitleNotes = Annotated[str | None, AfterValidator(_notes)]
NoBool = BeforeValidator(_no_bool)
RegionId = Annotated[str | int | None, PlainValidator(_region_id)]
