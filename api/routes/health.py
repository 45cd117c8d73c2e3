"""Whether the service can take requests, and what is not as it should be."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response

from api.db import clips, outbox
from api.services import Services, services
from api.views import Health
from clipping import __version__
from clipping.errors import QueueUnavailable

blueprint = Blueprint("health", __name__)

OVERDUE = timedelta(seconds=10)
"""A request that is not in Pub/Sub after so long is a sign of trouble."""


@blueprint.get("/health")
def health() -> Response:
    """200 while requests can be taken, with what is degraded; else 503."""
    view = examine(services())
    status = 503 if view.api_status == "unavailable" else 200
    return Response(view.to_json(), status=status, mimetype="application/json")


def examine(parts: Services) -> Health:
    """How the service is now."""
    try:
        with parts.database.read() as session:
            depth = clips.count_queued(session)
            oldest = outbox.oldest(session)
    except QueueUnavailable as error:
        return Health(
            status="degraded", api_status="unavailable", reasons=[error.message], version=__version__
        )
    reasons = parts.consumers.troubles() if parts.consumers else []
    if not parts.dispatcher.bus_ok:
        reasons.append("Pub/Sub does not take requests; they wait in the outbox")
    elif oldest is not None and parts.clock.now() - oldest > OVERDUE:
        reasons.append("requests wait in the outbox for longer than they should")
    state = "degraded" if reasons else "healthy"
    return Health.model_validate(
        {
            "status": state,
            "api_status": state,
            "queue_depth": depth,
            "reasons": reasons,
            "version": __version__,
        }
    )
