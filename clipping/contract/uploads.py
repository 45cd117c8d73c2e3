"""What a caller says about a file that it is going to upload."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, ValidationError

from clipping.contract.problems import first_problem
from clipping.contract.wire import Model
from clipping.errors import InvalidRequest, PayloadTooLarge
from clipping.text import check_one_line

MAX_FILENAME = 255
CONTENT_TYPES = ("application/mp4", "application/mxf", "application/octet-stream")
"""Allowed in addition to all of `video/`."""
_VIDEO = re.compile(r"video/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}", re.ASCII | re.IGNORECASE)


def _filename(name: str) -> str:
    check_one_line(name)
    if not 1 <= len(name) <= MAX_FILENAME:
        raise ValueError(f"must have 1 to {MAX_FILENAME} characters")
    return name


def _content_type(name: str) -> str:
    if name.lower() not in CONTENT_TYPES and not _VIDEO.fullmatch(name):
        raise ValueError(f"must be video/… or one of {', '.join(CONTENT_TYPES)}")
    return name.lower()


def _size(size: int) -> int:
    if size < 1:
        raise ValueError("must be at least 1")
    return size


class UploadRequest(Model):
    """A file to upload."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, AfterValidator(_filename)]
    content_type: Annotated[str, AfterValidator(_content_type)]
    """In lower case."""
    size_bytes: Annotated[int, AfterValidator(_size)]


def parse_upload_request(body: object, *, max_bytes: int) -> UploadRequest:
    """A caller's decoded JSON body. Raises `InvalidRequest` naming the first invalid field, and
    `PayloadTooLarge`."""
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    try:
        wanted = UploadRequest.model_validate(body)
    except ValidationError as error:
        raise first_problem(error) from None
    if wanted.size_bytes > max_bytes:
        raise PayloadTooLarge(f"size_bytes must be at most {max_bytes}", field="size_bytes")
    return wanted
