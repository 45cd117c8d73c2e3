"""Requests again what has failed, was cancelled, or has expired."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.access import requires
from api.db.tables import Clip
from api.http import audit, headers
from api.routes.accept import repeat_in, respond
from api.routes.clips import find_own
from api.services import Services, services
from clipping.contract.choices import Kind
from clipping.contract.messages import TERMINAL
from clipping.contract.results import Accepted
from clipping.errors import AlreadyFinished, Expired, NotFinished

blueprint = Blueprint("retry", __name__)
"""Registered for each kind of request."""


@blueprint.post("/<request_id>/retry")
@requires("client")
def retry(kind: Kind, request_id: str) -> Response:
    """A new request with the same content, for the same owner. The body is ignored."""
    parts = services()
    clip = find_own(kind, request_id, parts)
    repeat = repeat_in({})
    answer = parts.acceptor.earlier_answer(repeat)
    if answer is None:
        _check_over(clip, parts)
        wanted, trace = parts.acceptor.parse_again(clip), headers.traceparent()
        answer = parts.acceptor.accept_one(
            wanted, clip.owner, traceparent=trace, repeat=repeat, retry_of=clip.request_id
        )
    accepted = Accepted.model_validate_json(answer.body)
    audit.note(retried_as=accepted.request_id)
    return respond(answer, accepted)


def _check_over(clip: Clip, parts: Services) -> None:
    """Raises `NotFinished`, or `AlreadyFinished` when there is a result."""
    if clip.status not in TERMINAL:
        raise NotFinished(f"nothing to retry yet: the {clip.kind} is {clip.status}; cancel it first")
    if clip.status == "completed" and parts.links.expired_at(clip) is None and _is_stored(clip, parts):
        raise AlreadyFinished(f"nothing to retry: the {clip.kind} is completed; download it")


def _is_stored(clip: Clip, parts: Services) -> bool:
    try:
        return parts.links.find(clip) is not None
    except Expired:  # it is unknown where
        return False
