"""Parses the JSON body of a request, more strictly than Python's parser: for the API and for agents."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clipping.errors import InvalidRequest
from clipping.text import field_path

_LONGEST_FIELD = 128
"""The maximum length of a path in an error message."""


def decode_json(data: bytes) -> object:
    """Parse UTF-8 JSON, with a `Flaw` for each value that can't be stored or sent.

    Those are numbers that Python accepts but JSON does not (NaN, Infinity), numbers that overflow (1e999),
    lone surrogates and duplicate keys. `check_values` refuses them. Raises `InvalidRequest` with the
    position.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"the body is not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise InvalidRequest("the body holds a number that is too long") from None


@dataclass(frozen=True)
class Flaw:
    """A placeholder for an invalid value. Its path is only known once the whole body is parsed."""

    problem: str
    """The predicate of the error message."""


_NO_NUMBER = Flaw("must be a finite number")
_NO_TEXT = Flaw("must be valid Unicode")
_TWICE = Flaw("is given twice")
_BAD_NAME = Flaw("has a field that is not valid Unicode")


def check_values(body: object) -> object:
    """Returns the body unchanged. Raises `InvalidRequest` with the full path of its first flaw."""
    path: list[str | int] = []
    open_values: list[Iterator[tuple[str | int, object]]] = [iter([("", body)])]
    while open_values:
        for name, value in open_values[-1]:
            flaw = _flaw(value)
            if flaw is not None and (path or flaw is _BAD_NAME):  # at the top it is not an object anyway
                raise _refusal([*path, name][1:], flaw)
            if isinstance(value, dict | list):
                path.append(name)
                open_values.append(iter(value.items() if isinstance(value, dict) else enumerate(value)))
                break
        else:
            open_values.pop()
            del path[-1:]
    return body


def _constant(_name: str) -> Flaw:
    return _NO_NUMBER


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Flaw:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if not _is_text(key):
            return _BAD_NAME
        found[key] = _TWICE if key in found else value
    return found


def _flaw(value: object) -> Flaw | None:
    match value:
        case Flaw():
            return value
        case float() if not math.isfinite(value):
            return _NO_NUMBER
        case str() if not _is_text(value):
            return _NO_TEXT
    return None


def _is_text(value: str) -> bool:
    """Whether the text contains a lone surrogate, which JSON allows."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refusal(path: Sequence[str | int], flaw: Flaw) -> InvalidRequest:
    field = field_path(path)
    if not path:
        return InvalidRequest(f"the body {flaw.problem}")
    if not field or not field.isprintable() or len(field) > _LONGEST_FIELD:
        return InvalidRequest(f"a field {flaw.problem}")
    return InvalidRequest(f"{field} {flaw.problem}", field=field)
