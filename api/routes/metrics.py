"""The Prometheus endpoint."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.services import services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counts of this instance, and of the database that all instances share."""
    return Response(services().metrics.text(), content_type=CONTENT_TYPE_LATEST)
