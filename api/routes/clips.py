"""The routes of one clip or reel: status, download and cancellation."""

from __future__ import annotations

import re

from flask import Blueprint, Response, request

from api.auth.access import caller, requires
from api.clips.cancel import cancel
from api.clips.links import beside_of
from api.clips.views import LINKED, etag_of
from api.db import clips, watching
from api.db.tables import Clip
from api.db.watching import Version
from api.http.problems import deleted
from api.http.query_params import parse_file
from api.services import Services, services
from clipping.contract.choices import Kind
from clipping.contract.messages import REQUEST_ID, TERMINAL, kind_of
from clipping.contract.results import Download, Result
from clipping.errors import NotFound, NotReady

blueprint = Blueprint("clips", __name__)
"""Registered for each kind of request."""

_REQUEST_ID = re.compile(REQUEST_ID)


@blueprint.get("/<request_id>/status")
@requires("client")
def status(kind: Kind, request_id: str) -> Response:
    """The status of the request; 304 without a body when the caller has it already."""
    parts, known = services(), request.if_none_match
    if known and _is_id(kind, request_id):
        with parts.database.read() as session:
            version = watching.version(session, request_id)
        if version and caller().may_see(version.owner) and known.contains_weak(etag_of(version)):
            unchanged = not parts.links.is_due(version) and parts.links.expired_at(version) is None
            if unchanged:
                return _versioned(Response(status=304, mimetype="application/json"), version)
    clip = parts.links.renew(find_kept(kind, request_id, parts))
    return _versioned(_json(parts.links.status(clip)), clip)


@blueprint.get("/<request_id>/download")
@requires("client")
def download(kind: Kind, request_id: str) -> Response:
    """A new link to the clip or reel, or to what lies beside it."""
    parts = services()
    file = parse_file(request.args.to_dict(flat=False))
    clip = find_kept(kind, request_id, parts)
    if clip.status != "completed":
        raise NotReady(f"nothing to download: the {kind} is {clip.status}")
    if file == "tsv" and not clip.spec.get("tsv"):
        raise NotFound(f"the {kind} has no table: request a reel with tsv set to true")
    if file in LINKED and file not in beside_of(clip):
        raise NotFound(f"the {kind} has no {file}: none could be made, or cutting.poster is false")
    found = parts.links.find(clip, file)
    if found is None:
        raise deleted(kind)
    link = parts.links.sign(clip, file)
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
def cancel_clip(kind: Kind, request_id: str) -> Response:
    """202: a queued request is cancelled, a running one will be within seconds."""
    parts = services()
    clip = find_own(kind, request_id, parts)
    clip = cancel(clip, clock=parts.clock, database=parts.database, store=parts.store)
    return _json(parts.links.status(clip), status=202)


def find_own(kind: Kind, request_id: str, parts: Services) -> Clip:
    """The request, if it is of this kind and the caller may access it. Raises `NotFound`."""
    if _is_id(kind, request_id):
        with parts.database.read() as session:
            # Another's is not even loaded: else the time of the answer would say that there is one.
            clip = clips.find(session, request_id, owner=caller().sees)
        if clip is not None:
            return clip
    raise NotFound("request not found")


def find_kept(kind: Kind, request_id: str, parts: Services) -> Clip:
    """As `find_own`, if what was made for it has not expired. Raises `NotFound`, `Expired`."""
    clip = find_own(kind, request_id, parts)
    expired_at = parts.links.expired_at(clip)
    if expired_at is not None:
        raise deleted(kind, expired_at)
    return clip


def _is_id(kind: Kind, request_id: str) -> bool:
    return kind_of(request_id) == kind and _REQUEST_ID.fullmatch(request_id) is not None


def _versioned(response: Response, shown: Clip | Version) -> Response:
    response.set_etag(etag_of(shown))
    # While it may change, browsers keep it and ask for changes by themselves. In the end it holds the link,
    # which works without a key and has no place in a browser's cache.
    response.headers["Cache-Control"] = "no-store" if shown.status in TERMINAL else "private, no-cache"
    return response


def _json(result: Result, *, status: int = 200) -> Response:
    return Response(result.to_json(), status=status, mimetype="application/json")
