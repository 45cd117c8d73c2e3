"""Clips of the local store, behind signed links: whole, in ranges, or only the headers.

The file goes to the server as a file (`wsgi.file_wrapper`): waitress sends it from its one loop, so that slow
readers hold a connection and no thread, and gunicorn uses sendfile.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from flask import Blueprint, Response, request
from werkzeug.http import is_resource_modified
from werkzeug.wsgi import wrap_file

from api.http.problems import deleted, error_response
from api.services import services
from clipping.errors import Forbidden, NotFound, RangeNotSatisfiable
from clipping.store.links import INVALID_LINK
from clipping.store.local import LocalStore
from clipping.store.port import ObjectInfo

blueprint = Blueprint("files", __name__, url_prefix="/v1/files")

_SECONDS = re.compile(r"\d{1,11}", re.ASCII)
_RANGE = re.compile(r"bytes=(?P<first>\d{0,18})-(?P<last>\d{0,18})", re.ASCII | re.IGNORECASE)
_READ_BYTES = 1 << 18


@blueprint.get("/<path:key>")
def serve(key: str) -> Response:
    """The object behind a signed link."""
    parts = services()
    store = parts.store
    if not isinstance(store, LocalStore):
        raise NotFound("this service does not store clips in a folder")
    expires, filename = request.args.get("expires", ""), request.args.get("filename", "")
    if not _SECONDS.fullmatch(expires):
        raise Forbidden(INVALID_LINK)
    signature = request.args.get("signature", "")
    store.verify_signature(key, int(expires), filename, signature, parts.clock.now())
    found = store.open_object(key)
    if found is None:
        raise deleted("clip")
    path, info = found
    response = _headers(info, filename)
    if not is_resource_modified(request.environ, etag=info.version, last_modified=info.created_at):
        response.status_code = 304
        return response
    try:
        part = _part(info)
    except RangeNotSatisfiable as error:
        refusal = error_response(error.status, error.code, error.message)
        refusal.headers["Content-Range"] = f"bytes */{info.size}"
        return refusal
    try:
        # Unbuffered: the server continues at the descriptor's offset.
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise deleted("clip") from None
    return _body(response, file, part, info.size)


def _headers(info: ObjectInfo, filename: str) -> Response:
    response = Response(mimetype=info.content_type, direct_passthrough=True)
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, max-age=3600"
    # With the link, any page may embed the clip.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(info.version)
    response.last_modified = info.created_at
    return response


def _part(info: ObjectInfo) -> range | None:
    """The requested range of bytes. None: all of them."""
    if "If-Range" in request.headers and is_resource_modified(
        request.environ, etag=info.version, last_modified=info.created_at, ignore_if_range=False
    ):
        return None
    return byte_range(request.headers.get("Range", ""), info.size)


def byte_range(header: str, size: int) -> range | None:
    """The range in a `Range` header; None if it must be ignored (RFC 9110, section 14.2).

    Multiple ranges, other units and malformed values are ignored. Raises `RangeNotSatisfiable`.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match["first"] == match["last"] == "":
        return None
    if match["first"] == "":
        wanted = range(max(0, size - int(match["last"])), size)
    else:
        first, last = int(match["first"]), int(match["last"] or size)
        if match["last"] and last < first:
            return None
        wanted = range(first, min(last + 1, size))
    if not wanted:
        raise RangeNotSatisfiable(f"the clip has {size} bytes")
    return wanted


def _body(response: Response, file: BinaryIO, part: range | None, size: int) -> Response:
    sent = range(size) if part is None else part
    response.content_length = len(sent)
    if part is not None:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    if request.method == "HEAD":
        file.close()
        return response
    file.seek(sent.start)
    response.response = wrap_file(request.environ, file, _READ_BYTES)
    return response
