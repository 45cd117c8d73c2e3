"""Reading a request's body: bounded, and stricter than Python's JSON reader."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from clipping.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType


def read_json(max_bytes: int) -> object:
    """The decoded body.

    Raises `UnsupportedMediaType`, `PayloadTooLarge` (nothing beyond `max_bytes` is read) or
    `InvalidRequest`.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("the body must be JSON: send Content-Type: application/json")
    return decode_json(read_bytes(max_bytes))


def read_optional_json(max_bytes: int) -> object:
    """As `read_json`, for a route that needs no body: without one, an empty object."""
    length = request.headers.get("Content-Length", "")
    if "Content-Type" not in request.headers and length in ("", "0") and not read_bytes(max_bytes):
        return {}
    return read_json(max_bytes)


def read_bytes(max_bytes: int) -> bytes:
    """The body as it came. Raises `PayloadTooLarge`."""
    # Werkzeug compares the length header, and counts while it reads a body that comes in chunks.
    request.max_content_length = max_bytes
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"the body must be at most {max_bytes} bytes long") from None
    except ClientDisconnected:
        raise InvalidRequest("the body is shorter than its Content-Length") from None


def decode_json(data: bytes) -> object:
    """UTF-8 JSON. A key given twice, a number that is none (NaN, Infinity, 1e999) and half of a character are
    errors.

    Raises `InvalidRequest` with the position, or the field.
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


class _NotANumber:
    """Stands for NaN and the infinities until the field that holds them is known."""


def _constant(_name: str) -> _NotANumber:
    return _NotANumber()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            _refuse(key, "is given twice")
        if isinstance(value, _NotANumber) or (isinstance(value, float) and not math.isfinite(value)):
            _refuse(key, "must be a finite number")
        if not _is_text(key) or (isinstance(value, str) and not _is_text(value)):
            _refuse(key, "must be valid Unicode")
        found[key] = value
    return found


def _is_text(value: str) -> bool:
    """JSON can write half of a character (a lone surrogate), which nothing behind us can store or send."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(key: str, problem: str) -> NoReturn:
    name = key if key.isprintable() and len(key) <= 64 else "a field"
    raise InvalidRequest(f"{name} {problem}", field=name if name == key else None)
