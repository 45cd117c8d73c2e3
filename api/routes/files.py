"""Clips of the local store, behind signed links: whole, in ranges, or only the headers.

The file goes to the server as a file (`wsgi.file_wrapper`): waitress sends it from its one loop, so that slow
readers hold a connection and no thread, and gunicorn uses sendfile.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from flask import Blueprint, Response, request
from werkzeug.http import is_resource_modified, parse_range_header
from werkzeug.wsgi import wrap_file

from api.problems import error_response
from api.services import services
from clipping.errors import Expired, Forbidden, NotFound, RangeNotSatisfiable
from clipping.store.local import LocalStore
from clipping.store.port import ObjectInfo

blueprint = Blueprint("files", __name__, url_prefix="/v1/files")

_SECONDS = re.compile(r"\d{1,11}", re.ASCII)
_READ_BYTES = 1 << 18
_GONE = "the clip was deleted when its retention ended: request it again"


@blueprint.get("/<path:key>")
def serve(key: str) -> Response:
    """The object behind a signed link."""
    parts = services()
    store = parts.store
    if not isinstance(store, LocalStore):
        raise NotFound("this service keeps no clips in a folder")
    expires, filename = request.args.get("expires", ""), request.args.get("filename", "")
    if not _SECONDS.fullmatch(expires):
        raise Forbidden("this download link is not valid: ask for a new one")
    signature = request.args.get("signature", "")
    store.verify_signature(key, int(expires), filename, signature, parts.clock.now())
    found = store.open_object(key)
    if found is None:
        raise Expired(_GONE)
    path, info = found
    response = _headers(info, filename)
    if not is_resource_modified(request.environ, etag=info.version, last_modified=info.created_at):
        response.status_code = 304
        return response
    wanted = _wanted(info)
    if wanted is None:
        refusal = error_response(416, RangeNotSatisfiable.code, f"the clip has {info.size} bytes")
        refusal.headers["Content-Range"] = f"bytes */{info.size}"
        return refusal
    try:
        # Unbuffered: the server goes on from where the descriptor stands.
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise Expired(_GONE) from None
    return _body(response, file, wanted, info.size)


def _headers(info: ObjectInfo, filename: str) -> Response:
    response = Response(mimetype=info.content_type, direct_passthrough=True)
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = "private, max-age=3600"
    # Whoever has the link may show the clip in a page of their own.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(info.version)
    response.last_modified = info.created_at
    return response


def _wanted(info: ObjectInfo) -> range | None:
    """The bytes to send: one range, or all where several or none are asked for; None behind the end."""
    whole = range(info.size)
    asked = parse_range_header(request.headers.get("Range"))
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return whole
    if "If-Range" in request.headers and is_resource_modified(
        request.environ, etag=info.version, last_modified=info.created_at, ignore_if_range=False
    ):
        return whole
    first, _ = asked.ranges[0]
    if first <= -info.size:
        return whole  # the last so many bytes, of which there are not so many
    part = asked.range_for_length(info.size)
    return range(*part) if part else None


def _body(response: Response, file: BinaryIO, wanted: range, size: int) -> Response:
    response.content_length = len(wanted)
    if len(wanted) != size:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    if request.method == "HEAD":
        file.close()
        return response
    file.seek(wanted.start)
    response.response = wrap_file(request.environ, file, _READ_BYTES)
    return response
