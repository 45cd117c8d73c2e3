"""Reads an object of a JSON file that a user wrote: effects, or the request for a reel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_BYTES = 10_000_000
EFFECTS = '{"title": {"name": "Goal"}}'
"""An example of effects."""


def read_object(path: Path, *, example: str) -> dict[str, Any]:
    """The object in the file, unchecked. Raises `ValueError` whose message begins with the file's name.

    `example`: of such an object, for the message that it is none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    return object_of(data, str(path), example=example)


def object_of(data: bytes | str, name: str, *, example: str) -> dict[str, Any]:
    """The JSON object. Raises `ValueError` with a message that begins with `name`."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"{name} must be at most {MAX_BYTES} bytes long")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        found = json.loads(text, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{name} is not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
    except ValueError as error:  # a field given twice, or a number of thousands of digits
        raise ValueError(f"{name} is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be a JSON object, such as {example}")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} is given twice")
        found[key] = value
    return found
