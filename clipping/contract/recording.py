"""How a request names its recording: by a path on the NAS or by the URI of an object. Pure."""

from __future__ import annotations

import re
from posixpath import normpath
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, Field, ValidationInfo

from clipping.errors import InvalidRequest
from clipping.text import check_one_line

MAX_PATH_BYTES = 4096
MAX_URI_BYTES = 2048
_OBJECT = re.compile(r"(?:gs|s3)://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/(.+)", re.DOTALL)
_FILE = re.compile(r"file:///(.+)", re.DOTALL)


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be an absolute path")
    check_one_line(path)
    if ".." in path.split("/"):
        raise ValueError("must not contain '..'")
    _check_bytes(path, MAX_PATH_BYTES)
    return path


def _object_uri(uri: str) -> str:
    check_one_line(uri)
    _check_bytes(uri, MAX_URI_BYTES)
    found = _OBJECT.fullmatch(uri) or _FILE.fullmatch(uri)
    if found is None:
        raise ValueError("must be gs://bucket/key, s3://bucket/key, or the source_uri of an upload")
    # Stores take keys literally, but proxies and HTTP libraries may resolve such parts of a path.
    if not {"", ".", ".."}.isdisjoint(found[1].split("/")):
        raise ValueError("must name an object, without empty parts, '.' and '..' between its slashes")
    return uri


def _check_bytes(text: str, most: int) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    if size > most:
        raise ValueError(f"must be at most {most} bytes long")


def _one_of_both(path: str | None, info: ValidationInfo) -> str | None:
    if path is None and info.data.get("source_uri", "") is None:
        raise ValueError("is required, or source_uri in its place")
    if path is not None and info.data.get("source_uri") is not None:
        raise ValueError("must not be given together with source_uri")
    return path


SourcePath = Annotated[str, AfterValidator(_absolute)]
"""An absolute path."""
SourcePathOrUri = Annotated[SourcePath | None, AfterValidator(_one_of_both), Field(validate_default=True)]
"""An absolute path, in a model whose field `source_uri` is above this one: exactly one of them is given."""
SourceUri = Annotated[str, AfterValidator(_object_uri)]
"""`gs://bucket/key`, `s3://bucket/key` or, of an upload to a local store, `file:///…`. The key is taken
literally: nothing in it is percent-decoded."""


def checked_prefix(prefix: str) -> str:
    """A folder below a root, without needless slashes. Raises `InvalidRequest`."""
    parts = [part for part in prefix.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise InvalidRequest("prefix must be a folder below the root, without . and ..", field="prefix")
    return "/".join(parts)


class HasRecording(Protocol):
    """What names a recording: a clip, or a part of a reel."""

    @property
    def nas_video_path(self) -> str | None: ...
    @property
    def source_uri(self) -> str | None: ...


def recording_of(request: HasRecording) -> str:
    """The path or URI of a request's recording."""
    found = request.source_uri if request.source_uri is not None else request.nas_video_path
    assert found is not None, "the model checks that one is given"
    return found


def same_recording(one: HasRecording, other: HasRecording) -> bool:
    """Whether two requests name the same recording."""
    return _normal(one) == _normal(other)


def _normal(request: HasRecording) -> str:
    name = recording_of(request)
    return name if request.source_uri is not None else normpath(name)


def asked_recording(request: HasRecording) -> dict[str, Any]:
    """The recording as a part of what a spec hash is made of."""
    name = "source_uri" if request.source_uri is not None else "nas_video_path"
    return {name: recording_of(request)}
