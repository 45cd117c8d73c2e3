"""Whether the service can accept requests, and its problems."""

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
"""A request that is not published after this long indicates a problem."""


@blueprint.get("/health")
def health() -> Response:
    """200 while requests can be accepted, with the problems; else 503."""
    view = examine(services())
    status = 503 if view.api_status == "unavailable" else 200
    response = Response(view.to_json(), status=status, mimetype="application/json")
    # A page that may not read it still learns that there is an answer.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def examine(parts: Services) -> Health:
    """The state of the service, and of the agents in the store."""
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
    """The problems of the API itself while it accepts requests."""
    found = parts.consumers.troubles() if parts.consumers else []
    if not parts.outbox.is_up(outbox.REQUESTS):
        found.append("Pub/Sub does not accept requests; they wait in the outbox")
    elif oldest is not None and parts.clock.now() - oldest > OVERDUE:
        found.append("requests wait too long in the outbox")
    return found
