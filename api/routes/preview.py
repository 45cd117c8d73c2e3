"""Previews: tokens, plans of clips, and calls that are passed on to an agent."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from api.auth.access import admit, admit_bearer_of, caller, requires
from api.auth.callers import bearer
from api.http.body import read_json
from api.preview.agents import Passed
from api.services import Services, services
from clipping.config import roots_of
from clipping.contract.preview import PreviewTokenIssued
from clipping.contract.preview_keys import ALL_ROOTS, PreviewKeys
from clipping.errors import NotFound, PreviewUnavailable, TokenExpired, Unauthorized

blueprint = Blueprint("preview", __name__)

_ID = re.compile(r"[A-Za-z0-9_.-]{1,6000}", re.ASCII)
_PREFIX = "/preview/v1/recordings"
_PLAN = "/preview/v1/plan"
_CALLS = ("keyframes", "window.mp4", "strip.jpg", "strip.vtt", "peaks", "still.jpg")


@blueprint.post("/v1/previews/token")
@requires("client")
def token() -> Response:
    """A token with which pages load previews, without the key."""
    parts = services()
    issued = _issue(_keys(parts), parts)
    return Response(issued.to_json(), mimetype="application/json")


@blueprint.post("/v1/clip/plan")
@requires("client")
def plan() -> Response:
    """What a request would result in, by an agent. Nothing is stored, and no quota is used."""
    parts = services()
    wanted = parts.acceptor.parse(read_json(parts.config.api.max_body_bytes), caller())
    if parts.preview_keys is None:
        raise PreviewUnavailable(
            "plans are made by the agents' preview service, which is disabled: set preview.key in the "
            "configuration of API and agents"
        )
    token = _issue(parts.preview_keys, parts).token
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return _response(parts.previews.call("POST", _PLAN, "", headers, wanted.to_json()))


@blueprint.get(_PREFIX)
def listing() -> Response:
    """A folder of recordings."""
    return _passed(_PREFIX)


@blueprint.get(f"{_PREFIX}/<recording_id>")
def describe(recording_id: str) -> Response:
    """What a recording holds."""
    return _passed(f"{_PREFIX}/{_checked(recording_id)}")


def _call(name: str) -> None:
    def view(recording_id: str) -> Response:
        return _passed(f"{_PREFIX}/{_checked(recording_id)}/{name}")

    blueprint.add_url_rule(f"{_PREFIX}/<recording_id>/{name}", name.replace(".", "_"), view)


for _name in _CALLS:
    _call(_name)


def _passed(path: str) -> Response:
    """An agent's answer, for a caller with a key or a preview token."""
    parts = services()
    credential = _credential(parts)
    headers = {"Authorization": f"Bearer {credential}"}
    if "If-None-Match" in request.headers:
        headers["If-None-Match"] = request.headers["If-None-Match"]
    # With the token in it, if it was sent so: tiles of a strip refer to their image with the same query.
    query = urlencode(list(request.args.items(multi=True)))
    response = _response(parts.previews.call(request.method, path, query, headers))
    # With a token, any page may embed an image.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _response(answer: Passed) -> Response:
    # Not with direct_passthrough: werkzeug then calls nothing at the end.
    response = Response(answer.body, answer.status)
    response.call_on_close(answer.close)
    response.headers.clear()
    response.headers.update(answer.headers)
    return response


def _credential(parts: Services) -> str:
    """A preview token: the caller's own, or one that is made for the caller of a key."""
    given = request.args.get("token")
    try:
        token = given or bearer(request.headers.get("Authorization", ""))
        keys = _keys(parts)
        found = keys.verify(token, parts.clock.now())
    except TokenExpired:
        raise
    except (Unauthorized, NotFound):
        if given:
            raise
        admit("client")
        return _issue(_keys(parts), parts).token
    admit_bearer_of(found.caller)
    return token


def _issue(keys: PreviewKeys, parts: Services) -> PreviewTokenIssued:
    roots = roots_of(parts.config.api, caller().name)
    if roots is None:
        roots = [root.path for root in parts.config.agent.nas_roots] or [ALL_ROOTS]
    token, expires_at = keys.token(caller().name, roots, parts.clock.now())
    return PreviewTokenIssued(token=token, expires_at=expires_at, roots=roots)


def _keys(parts: Services) -> PreviewKeys:
    if parts.preview_keys is None:
        raise NotFound("previews are disabled: set preview.key in the configuration of API and agents")
    return parts.preview_keys


def _checked(recording_id: str) -> str:
    if not _ID.fullmatch(recording_id):
        raise NotFound("there is no such recording")
    return recording_id
