"""The routes of one clip: status, download and cancellation."""

from __future__ import annotations

import re

from flask import Blueprint, Response, request

from api.auth.access import caller, requires
from api.clips.cancel import cancel
from api.clips.views import etag_of, status_of
from api.db import clips, watching
from api.db.tables import Clip
from api.db.watching import Version
from api.http.problems import CLIP_DELETED
from api.services import Services, services
from clipping.contract.messages import REQUEST_ID, TERMINAL
from clipping.contract.results import Download, Result
from clipping.errors import Expired, NotFound, NotReady
from clipping.store.port import clip_key

blueprint = Blueprint("clips", __name__, url_prefix="/v1/clip")

_REQUEST_ID = re.compile(REQUEST_ID)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})\Z", re.ASCII)
_SECONDS_A_DAY = 86_400


@blueprint.get("/<request_id>/status")
@requires("client")
def status(request_id: str) -> Response:
    """The status of the request; 304 without a body when the caller has it already."""
    parts, known = services(), request.if_none_match
    if known and _REQUEST_ID.fullmatch(request_id):
        with parts.database.read() as session:
            version = watching.version(session, request_id)
        if version and caller().may_see(version.owner) and known.contains_weak(etag_of(version)):
            return _versioned(Response(status=304, mimetype="application/json"), version)
    clip = find_own(request_id, parts)
    return _versioned(_json(status_of(clip)), clip)


@blueprint.get("/<request_id>/download")
@requires("client")
def download(request_id: str) -> Response:
    """A new link to the clip."""
    parts = services()
    clip = find_own(request_id, parts)
    if clip.status != "completed":
        raise NotReady(f"nothing to download: the clip is {clip.status}")
    key = _object_key(clip)
    found = parts.store.stat(key)
    if found is None:
        raise Expired(CLIP_DELETED)
    filename = f"{clip.hand_id}.{key.rpartition('.')[2]}"
    seconds = parts.config.storage.signed_url_days * _SECONDS_A_DAY
    link = parts.store.sign(key, filename=filename, seconds=seconds)
    return _json(
        Download(
            request_id=clip.request_id,
            hand_id=clip.hand_id,
            download_url=link.url,
            expires_at=link.expires_at,
            file_size_bytes=found.size,
        )
    )


@blueprint.post("/<request_id>/cancel")
@requires("client")
def cancel_clip(request_id: str) -> Response:
    """202: a queued clip is cancelled, a running one will be within seconds."""
    parts = services()
    clip = find_own(request_id, parts)
    clip = cancel(clip, clock=parts.clock, database=parts.database, store=parts.store)
    return _json(status_of(clip), status=202)


def find_own(request_id: str, parts: Services) -> Clip:
    """The request, if the caller may access it. Raises `NotFound`."""
    if _REQUEST_ID.fullmatch(request_id):
        with parts.database.read() as session:
            clip = clips.find(session, request_id)
        if clip is not None and caller().may_see(clip.owner):
            return clip
    raise NotFound("request not found")


def _object_key(clip: Clip) -> str:
    """The clip's key. Only the extension comes from the completion message; the rest is known here."""
    where = status_of(clip).output_uri or ""
    extension = _EXTENSION.search(where)
    if extension is None:
        raise Expired("the clip's location is unknown: request it again")
    return clip_key(clip.hand_id, clip.request_id, extension.group(1))


def _versioned(response: Response, shown: Clip | Version) -> Response:
    response.set_etag(etag_of(shown))
    # While it may change, browsers keep it and ask for changes by themselves. In the end it holds the link,
    # which works without a key and has no place in a browser's cache.
    response.headers["Cache-Control"] = "no-store" if shown.status in TERMINAL else "private, no-cache"
    return response


def _json(result: Result, *, status: int = 200) -> Response:
    return Response(result.to_json(), status=status, mimetype="application/json")
