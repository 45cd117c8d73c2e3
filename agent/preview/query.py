"""Query parameters of previews: strict, as a misspelt one would return something else."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from clipping.errors import InvalidRequest

TOKEN = "token"
"""May be in every query: elements of a page can't send headers."""
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,20})?", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_MOST_SHOWN = 64


class Query:
    """The parameters of one call. Each method raises `InvalidRequest`."""

    def __init__(self, given: Mapping[str, Sequence[str]], known: Collection[str]) -> None:
        for name, values in given.items():
            if name not in known and name != TOKEN:
                shown = name if name.isprintable() and len(name) <= _MOST_SHOWN else "a parameter"
                raise InvalidRequest(f"{shown} is not a known parameter", field=shown)
            if len(values) != 1:
                raise InvalidRequest(f"{name} is given twice", field=name)
        self._given = {name: values[0] for name, values in given.items()}

    def text(self, name: str) -> str | None:
        """None when it is not given."""
        value = self._given.get(name)
        if value is not None and "\0" in value:
            raise InvalidRequest(f"{name} must not contain NUL", field=name)
        return value

    def seconds(self, name: str) -> Fraction | None:
        """A time or a duration in seconds; None when it is not given."""
        value = self._given.get(name)
        if value is None:
            return None
        if not _SECONDS.fullmatch(value):
            raise InvalidRequest(f"{name} must be seconds, such as 12.5", field=name)
        return Fraction(value)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self._given.get(name)
        if value is None:
            return default
        if not _NUMBER.fullmatch(value) or not lowest <= int(value) <= highest:
            raise InvalidRequest(f"{name} must be a number from {lowest} to {highest}", field=name)
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._given.get(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise InvalidRequest(f"{name} must be true or false", field=name)
        return value == "true"
