"""What a caller says about a file that it is going to upload."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, ValidationError

from clipping.contract.problems import first_problem
from clipping.contract.wire import Model
from clipping.errors import InvalidRequest, PayloadTooLarge
from clipping.text import check_one_line

MAX_FILENAME = 255
CONTENT_TYPE = r"^(?:video/[a-z0-9][a-z0-9.+_-]{0,99}|application/(?:mp4|mxf|octet-stream))$"


def _filename(name: str) -> str:
    check_one_line(name)
    if not 1 <= len(name) <= MAX_FILENAME:
        raise ValueError(f"must have 1 to {MAX_FILENAME} characters")
    return name


def _content_type(name: str) -> str:
    if not re.fullmatch(CONTENT_TYPE, name):
        raise ValueError(
            "must be video/…, application/mp4, application/mxf or application/octet-stream, in lower case"
        )
    return name


def _whole(size: object) -> object:
    """In JSON, 1.0 is a whole number, too."""
    return int(size) if isinstance(size, float) and size.is_integer() else size


def _size(size: int) -> int:
    if size < 1:
        raise ValueError("must be at least 1")
    return size


class UploadRequest(Model):
    """A file to upload."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, AfterValidator(_filename)]
    content_type: Annotated[str, AfterValidator(_content_type)]
    size_bytes: Annotated[int, BeforeValidator(_whole), AfterValidator(_size)]


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
