"""The events of all requests of a caller, in one stream."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api.auth.access import NEEDS_ADMIN, caller, requires
from api.db.changes import parse_position
from api.events.feed import Subscription
from api.http.query_params import parse_feed
from api.routes.events import stream
from api.services import services
from clipping.errors import Forbidden

blueprint = Blueprint("feed", __name__, url_prefix="/v1")


@blueprint.get("/events")
@requires("client")
def all_events() -> Response:
    """A stream without an end. It resumes after `Last-Event-ID`, which is newer than `since`."""
    parts, who = services(), caller()
    query = parse_feed(request.args.to_dict(flat=False))
    if query.owner is not None and not who.may_see(query.owner):
        raise Forbidden(NEEDS_ADMIN)
    wanted = Subscription(
        caller=who.name,
        owner=query.owner or (None if who.role == "admin" else who.name),
        kind=query.kind,
        since=parse_position(request.headers.get("Last-Event-ID", "").strip()) or query.since,
        lasting=who.via != "oidc",
    )
    parts.events.check_room(who.name)
    return stream(lambda handed: parts.events.join(wanted, handed))
