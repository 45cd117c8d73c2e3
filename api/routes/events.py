"""The events of a request: server-sent events (the WHATWG HTML standard, section 9.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flask import Blueprint, Response, request

from api.auth.access import requires
from api.events.changes import last_event_id
from api.http.connection_handover import ENVIRON_KEY, Taker
from api.routes.clips import find_kept
from api.services import services
from clipping.contract.choices import Kind
from clipping.contract.messages import TERMINAL

blueprint = Blueprint("events", __name__)
"""Registered for each kind of request."""


@blueprint.get("/<request_id>/events")
@requires("client")
def events(kind: Kind, request_id: str) -> Response:
    """A stream that ends with the request. 204 for a client that has received the end: browsers then stop."""
    parts = services()
    clip = parts.links.renew(find_kept(kind, request_id, parts))
    known = last_event_id(request.headers.get("Last-Event-ID"))
    if clip.status in TERMINAL and known == clip.revision:
        return Response(status=204)
    parts.events.check_room()
    return stream(lambda handed: parts.events.take(clip.request_id, known, handed))


def stream(take: Taker) -> Response:
    """The response whose connection `take` gets. To HEAD, without a body."""
    if request.method != "HEAD":
        take_over = cast("Callable[[Taker], None]", request.environ[ENVIRON_KEY])
        take_over(take)
    response = Response(iter(()), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would buffer the events
    return response
