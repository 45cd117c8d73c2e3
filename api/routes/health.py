"""Whether the service can take requests, and what is not as it should be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from flask import Blueprint, Response

from api.db import clips, outbox
from api.services import Services, services
from clipping import __version__
from clipping.contract.results import AgentsHealth, Health
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
    """How the service is now, and the agents as the store shows them."""
    agents = parts.agents.now()
    depth, problems, available = None, list[str](), True
    try:
        with parts.database.read() as session:
            depth = clips.count_queued(session)
            oldest = outbox.backlog(session, outbox.REQUESTS).oldest
        problems = _problems(oldest, parts)
    except QueueUnavailable as error:
        problems, available = [error.message], False
    own: Literal["healthy", "degraded", "unavailable"] = "degraded" if problems else "healthy"
    if not available:
        own = "unavailable"
    problems += agents.reasons()
    return Health(
        status="degraded" if problems else "healthy",
        api_status=own,
        agents=AgentsHealth(primary=agents.primary, standby=agents.standby),
        queue_depth=depth,
        reasons=problems,
        environment=parts.config.api.environment,
        version=__version__,
    )


def _problems(oldest: datetime | None, parts: Services) -> list[str]:
    """What is not as it should be with the API itself, while it takes requests."""
    found = parts.consumers.troubles() if parts.consumers else []
    if not parts.outbox.is_up(outbox.REQUESTS):
        found.append("Pub/Sub does not accept requests; they wait in the outbox")
    elif oldest is not None and parts.clock.now() - oldest > OVERDUE:
        found.append("requests wait too long in the outbox")
    return found
