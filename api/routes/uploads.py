"""Uploads of recordings: their URLs, and in a local store the files themselves."""

from __future__ import annotations

import re

from flask import Blueprint, Response, request

from api.auth.access import caller, requires
from api.http import audit
from api.http.body import read_json
from api.services import services
from clipping.contract.uploads import parse_upload_request
from clipping.errors import Forbidden, InvalidRequest, NotFound, PayloadTooLarge, UnsupportedMediaType
from clipping.store.links import INVALID_UPLOAD
from clipping.store.local import LocalStore
from clipping.store.port import KEY

blueprint = Blueprint("uploads", __name__, url_prefix="/v1/uploads")

_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


@blueprint.post("")
@requires("client")
def begin_upload() -> Response:
    """Where to put a file."""
    parts = services()
    body = read_json(parts.config.api.max_body_bytes)
    wanted = parse_upload_request(body, max_bytes=parts.config.limits.max_upload_bytes)
    origin = request.headers.get("Origin")
    allowed = origin if origin in parts.config.api.cors_origins else None
    upload = parts.uploads.begin(wanted, caller().name, origin=allowed)
    audit.note(upload_id=upload.upload_id)
    return Response(upload.to_json(), status=201, mimetype="application/json")


@blueprint.put("/<path:key>")
def receive_upload(key: str) -> Response:
    """The file itself, authorized by the signature of its URL."""
    parts = services()
    store = parts.store
    if not isinstance(store, LocalStore):
        raise NotFound("this service does not store uploads in a folder: use the upload_url as it was given")
    expires, size = request.args.get("expires", ""), request.args.get("size", "")
    content_type = request.args.get("type", "")
    if not _NUMBER.fullmatch(expires) or not _NUMBER.fullmatch(size) or not KEY.fullmatch(key):
        raise Forbidden(INVALID_UPLOAD)
    signature = request.args.get("signature", "")
    store.verify_upload(key, int(expires), int(size), content_type, signature, parts.clock.now())
    _check_headers(int(size), content_type)
    stored = store.receive(key, request.stream.read, size=int(size), content_type=content_type)
    response = Response(status=200)
    response.set_etag(stored.version)
    return response


def _check_headers(size: int, content_type: str) -> None:
    """Before any of the body is read."""
    announced = request.content_length
    if announced is None:
        raise InvalidRequest("an upload needs Content-Length: it can't be sent in chunks")
    if announced > size:
        raise PayloadTooLarge(f"the upload must have {size} bytes, as announced, and not {announced}")
    if announced < size:
        raise InvalidRequest(f"the upload must have {size} bytes, as announced, and not {announced}")
    if request.headers.get("Content-Type", "").lower() != content_type:
        raise UnsupportedMediaType(f"the upload must have Content-Type: {content_type}, as announced")
