"""Asking for a clip, asking how it is, and getting it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from flask import Blueprint, Response

from api import headers
from api.auth import caller, requires
from api.body import read_json
from api.db import clips
from api.db.outbox import Entry
from api.db.tables import Clip
from api.services import Services, services
from api.views import ClipAccepted, ClipStatus, Download, View
from clipping.config import NasRoot
from clipping.errors import Expired, InvalidRequest, NotFound, NotReady
from clipping.ids import new_request_id
from clipping.log import get_logger
from clipping.messages import REQUEST_ID, ClipRequest, RequestMessage, parse_clip_request
from clipping.store.port import clip_key

blueprint = Blueprint("clips", __name__, url_prefix="/v1/clip")
log = get_logger(__name__)

_REQUEST_ID = re.compile(REQUEST_ID)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})\Z", re.ASCII)
_SECONDS_A_DAY = 86_400


@blueprint.post("/request")
@requires("client")
def request_clip() -> Response:
    """Accept a request: 202 means that it is in the database and will be worked on."""
    parts = services()
    body = read_json(parts.config.api.max_body_bytes)
    limits = parts.config.limits
    wanted = parse_clip_request(
        body,
        max_clip_seconds=limits.max_clip_seconds,
        max_short_seconds=limits.max_short_seconds,
        high_mode=parts.config.cutting.default_mode,
    )
    check_inside_roots(wanted.nas_video_path, parts.config.agent.nas_roots)
    message = _message(wanted, parts)
    accepted = _accepted(message, parts)
    _hand_over(message, parts)
    response = _json(accepted, status=202)
    response.headers["Location"] = accepted.status_url
    return response


@blueprint.get("/<request_id>/status")
@requires("client")
def status(request_id: str) -> Response:
    """How the request is."""
    return _json(ClipStatus.of(_find(request_id, services())))


@blueprint.get("/<request_id>/download")
@requires("client")
def download(request_id: str) -> Response:
    """A fresh link to the clip."""
    parts = services()
    clip = _find(request_id, parts)
    if clip.status != "completed":
        raise NotReady(f"there is nothing to download: the clip is {clip.status}")
    key = _object_key(clip)
    found = parts.store.stat(key)
    if found is None:
        raise Expired("the clip was deleted when its retention ended: request it again")
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


def check_inside_roots(path: str, roots: Sequence[NasRoot]) -> None:
    """A first look at the words of a path; the agent looks at the real one. No roots: the agents decide.

    Raises `InvalidRequest`.
    """
    normal = posixpath.normpath("/" + path.lstrip("/"))
    inside = (normal.startswith(root.path.rstrip("/") + "/") for root in roots)
    if roots and not any(inside):
        raise InvalidRequest(
            "nas_video_path must be a file inside one of the folders that recordings are kept in",
            field="nas_video_path",
        )


def _message(wanted: ClipRequest, parts: Services) -> RequestMessage:
    now = parts.clock.now()
    # What callers are told has milliseconds; what is stored and sent should say the same.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return RequestMessage.of(wanted, request_id=new_request_id(now), owner=caller().name, requested_at=now)


def _accepted(message: RequestMessage, parts: Services) -> ClipAccepted:
    length = message.out_seconds - message.in_seconds
    with parts.database.read() as session:
        ahead = clips.count_queued(session, message.lane)
    return ClipAccepted(
        request_id=message.request_id,
        hand_id=message.hand_id,
        mode=message.mode,
        estimated_duration_sec=parts.estimator.estimate(message.mode, length),
        queue_position=ahead,
        created_at=message.requested_at,
        status_url=f"{parts.config.api.public_url.rstrip('/')}/v1/clip/{message.request_id}/status",
    )


def _hand_over(message: RequestMessage, parts: Services) -> None:
    attributes = {
        "request_id": message.request_id,
        "lane": message.lane,
        "priority": message.priority,
        "traceparent": headers.traceparent(),
    }
    entry = Entry(message.request_id, message.to_json(), attributes)
    with parts.database.write() as session:
        session.add(clips.row_of(message))
        session.flush()
        parts.dispatcher.add(session, entry, now=message.requested_at)
    published = parts.dispatcher.publish(entry)
    log.info(
        "request.accepted",
        request_id=message.request_id,
        owner=message.owner,
        mode=message.mode,
        lane=message.lane,
        published=published,
    )


def _find(request_id: str, parts: Services) -> Clip:
    """The request, if it is the caller's. Raises `NotFound`."""
    if _REQUEST_ID.fullmatch(request_id):
        with parts.database.read() as session:
            clip = clips.find(session, request_id)
        if clip is not None and caller().may_see(clip.owner):
            return clip
    raise NotFound("there is no such request")


def _object_key(clip: Clip) -> str:
    """Where the clip is. The completion is asked for the extension only: the rest we know ourselves."""
    where = ClipStatus.of(clip).output_uri or ""
    extension = _EXTENSION.search(where)
    if extension is None:
        raise Expired("the clip's place is not known: request it again")
    return clip_key(clip.hand_id, clip.request_id, extension.group(1))


def _json(view: View, *, status: int = 200) -> Response:
    return Response(view.to_json(), status=status, mimetype="application/json")
