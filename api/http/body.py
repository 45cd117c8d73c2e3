"""Reads a request's body: bounded, and stricter than Python's JSON parser."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from clipping.contract.json_body import check_values, decode_json
from clipping.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType


def read_json(max_bytes: int) -> object:
    """The decoded body.

    Raises `UnsupportedMediaType`, `PayloadTooLarge` (nothing beyond `max_bytes` is read) or
    `InvalidRequest`.
    """
    return check_values(read_flawed_json(max_bytes))


def read_flawed_json(max_bytes: int) -> object:
    """Like `read_json`, for a body that may be partly valid: see `decode_json`."""
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("the body must be JSON: send Content-Type: application/json")
    return decode_json(read_bytes(max_bytes))


def read_optional_json(max_bytes: int) -> object:
    """Like `read_json`, for an optional body: without one, an empty object."""
    length = request.headers.get("Content-Length", "")
    if "Content-Type" not in request.headers and length in ("", "0") and not read_bytes(max_bytes):
        return {}
    return read_json(max_bytes)


def read_bytes(max_bytes: int) -> bytes:
    """The raw body. Raises `PayloadTooLarge`."""
    # Werkzeug checks the length header, and counts the bytes of a chunked body.
    request.max_content_length = max_bytes
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"the body must be at most {max_bytes} bytes long") from None
    except ClientDisconnected:
        raise InvalidRequest("the body is shorter than its Content-Length") from None
