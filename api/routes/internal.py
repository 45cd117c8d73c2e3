"""The endpoint to which Pub/Sub pushes the agents' messages, for hosts that can't pull."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import BaseModel, Field, ValidationError

from api.auth.callers import bearer
from api.http.body import read_bytes
from api.http.head import MAX_PUSH_BYTES
from api.messaging.agent_messages import KINDS, Kind
from api.services import services
from clipping.contract.problems import first_problem
from clipping.errors import NotFound

blueprint = Blueprint("internal", __name__, url_prefix="/v1/internal")


class PushedMessage(BaseModel):
    """The message in a push."""

    data: str = ""
    """Base64."""
    attributes: dict[str, str] = Field(default_factory=dict)
    message_id: Annotated[str, Field(alias="messageId")] = ""


class Envelope(BaseModel):
    """The body of a push."""

    message: PushedMessage
    subscription: str


@blueprint.post("/pubsub")
def push() -> Response:
    """Apply one message. Pub/Sub retries after any response but 204."""
    parts = services()
    token = bearer(request.headers.get("Authorization", ""))
    if parts.push_verifier is None:
        raise NotFound("this service pulls its messages: api.push is not configured")
    parts.push_verifier.verify(token)
    body = read_bytes(MAX_PUSH_BYTES)
    try:
        envelope = Envelope.model_validate_json(body)
        data = base64.b64decode(envelope.message.data, validate=True)
    except ValidationError as error:
        parts.ingest.park("push", "", body, {}, first_problem(error).message)
        return Response(status=204)
    except binascii.Error as error:
        parts.ingest.park("push", envelope.message.message_id, body, {}, f"data is not base64: {error}")
        return Response(status=204)
    kind = _kind(envelope.subscription)
    message = envelope.message
    if kind is None:
        reason = f"unknown subscription: {envelope.subscription[:200]}"
        parts.ingest.park("push", message.message_id, data, message.attributes, reason)
    else:
        parts.ingest.take(kind, message.message_id, data, message.attributes)
    return Response(status=204)


def _kind(subscription: str) -> Kind | None:
    prefix = services().config.pubsub.api_subscription_prefix
    name = subscription.rpartition("/")[2]
    return next((kind for kind in KINDS if name == f"{prefix}-{kind}"), None)
