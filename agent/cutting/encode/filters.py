"""The part of ffmpeg-python that builds filter graphs, with the types that the library does not have."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol, TypeAlias

Options: TypeAlias = dict[str, str | int | None]
"""Options of ffmpeg or of a filter, by name; None is an option that takes no value."""


class FilterStream(Protocol):
    """One stream of a filter graph."""

    def filter(self, name: str, *args: object, **options: object) -> FilterStream:
        """What a filter makes of it."""

    def split(self) -> Copies:
        """Several streams with the same content."""

    def asplit(self) -> Copies:
        """As `split`, for audio."""

    def overlay(self, above: FilterStream, **options: object) -> FilterStream:
        """Both streams, with `above` drawn over this one."""


class Copies(Protocol):
    """The results of `FilterStream.split`."""

    def __getitem__(self, number: int) -> FilterStream: ...


def seconds(value: Fraction) -> str:
    """A decimal number with nanoseconds; ffmpeg reads no fractions."""
    nanoseconds = round(value * 1_000_000_000)
    sign, whole = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    return f"{sign}{whole // 1_000_000_000}.{whole % 1_000_000_000:09d}"
