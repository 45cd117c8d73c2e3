"""Requests for one clip, for many, or for a reel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from api.auth.access import caller, requires
from api.auth.callers import Caller
from api.clips.accept import Acceptor, Item, none_is_good, refusal
from api.clips.group import Answer
from api.clips.idempotency import HEADER, Repeat, repeat_of
from api.http import audit, headers
from api.http.body import read_flawed_json, read_json
from api.services import services
from clipping.contract.json_body import check_values
from clipping.contract.messages import ClipRequest
from clipping.contract.reel import ReelRequest
from clipping.contract.results import Accepted, Batch, BatchItem
from clipping.errors import InvalidRequest
from clipping.text import is_plain_text

blueprint = Blueprint("accept", __name__, url_prefix="/v1")

MAX_BATCH = 100
_LONGEST_ITEM_ID = 128


@blueprint.post("/clip/request")
@requires("client")
def request_clip() -> Response:
    """Accept a request: 202 means that it is in the database and will be processed."""
    return _accept(services().acceptor.parse)


@blueprint.post("/reel/request")
@requires("client")
def request_reel() -> Response:
    """As `request_clip`, for a reel."""
    return _accept(services().acceptor.parse_reel)


def _accept(parse: Callable[[object, Caller], ClipRequest | ReelRequest]) -> Response:
    parts = services()
    body = read_json(parts.config.api.max_body_bytes)
    repeat = repeat_in(body)
    answer = parts.acceptor.earlier_answer(repeat)
    if answer is None:
        wanted, trace = parse(body, caller()), headers.traceparent()
        answer = parts.acceptor.accept_one(wanted, caller().name, traceparent=trace, repeat=repeat)
    accepted = Accepted.model_validate_json(answer.body)
    audit.note(request_id=accepted.request_id)
    return respond(answer, accepted)


@blueprint.post("/clip/batch")
@requires("client")
def request_batch() -> Response:
    """Accept the valid ones of up to 100 requests, and return the errors of the others."""
    parts = services()
    body = read_flawed_json(parts.config.api.max_body_bytes)
    repeat = repeat_in(body)
    answer = parts.acceptor.earlier_answer(repeat)
    if answer is None:
        items, refused = _items(_entries(body), parts.acceptor)
        if not items:
            raise none_is_good(refused)
        answer = parts.acceptor.accept_batch(
            items, refused, caller(), traceparent=headers.traceparent(), repeat=repeat
        )
    audit.note(batch_id=Batch.model_validate_json(answer.body).batch_id)
    return _response(answer)


def repeat_in(body: object) -> Repeat | None:
    """The call's key, if it has one."""
    return repeat_of(request.headers.get(HEADER), owner=caller().name, path=request.path, body=body)


def respond(answer: Answer, accepted: Accepted) -> Response:
    """The response to one request, with the address of its status."""
    response = _response(answer)
    response.headers["Location"] = accepted.status_url
    return response


def _response(answer: Answer) -> Response:
    return Response(answer.body, status=answer.status, mimetype="application/json")


def _entries(body: object) -> list[Any]:
    """The list of clips. Only its items may contain flaws."""
    if isinstance(body, dict) and isinstance(body.get("clips"), list):
        check_values({**body, "clips": None})
    else:
        check_values(body)
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    for name in body:
        if name != "clips":
            raise InvalidRequest(f"{name} is not a known field", field=name)
    if "clips" not in body:
        raise InvalidRequest("clips is required", field="clips")
    entries = body["clips"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_BATCH:
        raise InvalidRequest(f"clips must be a list of 1 to {MAX_BATCH} requests", field="clips")
    return entries


def _items(entries: list[Any], acceptor: Acceptor) -> tuple[list[Item], dict[int, BatchItem]]:
    """The valid requests, and the errors of the others by index."""
    good: list[Item] = []
    check = acceptor.uploads.check()
    refused: dict[int, BatchItem] = {}
    for index, entry in enumerate(entries):
        item_id: str | None = None
        try:
            item_id, wanted = _split(entry)
            check_values(wanted)
            good.append(Item(index, item_id, acceptor.parse(wanted, caller(), check=check)))
        except InvalidRequest as error:
            refused[index] = refusal(item_id, error)
    return good, refused


def _split(entry: object) -> tuple[str | None, object]:
    if not isinstance(entry, dict):
        check_values(entry)
        raise InvalidRequest("a clip must be a JSON object")
    if "client_item_id" not in entry:
        return None, entry
    rest = dict(entry)
    item_id = rest.pop("client_item_id")
    if (
        not isinstance(item_id, str)
        or not 1 <= len(item_id) <= _LONGEST_ITEM_ID
        or not is_plain_text(item_id)
    ):
        raise InvalidRequest(
            f"client_item_id must have 1 to {_LONGEST_ITEM_ID} characters, without control characters",
            field="client_item_id",
        )
    return item_id, rest
