"""The catalogue of recordings."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api.auth.access import caller, requires
from api.catalog.answers import answer
from api.catalog.query import parse_catalog
from api.services import services
from clipping.config import roots_of
from clipping.errors import NotFound

blueprint = Blueprint("recordings", __name__, url_prefix="/v1")

_DISABLED = "previews are disabled, and with them the list of recordings: set preview.key for API and agents"


@blueprint.get("/recordings")
@requires("client")
def list_recordings() -> Response:
    """A folder of recordings, or a search, in what agents have last scanned."""
    parts = services()
    if parts.preview_keys is None:
        raise NotFound(_DISABLED)
    query = parse_catalog(request.args.to_dict(flat=False))
    roots = parts.catalogue.now().allowed(roots_of(parts.config.api, caller().name))
    return Response(answer(query, roots, parts.preview_keys).to_json(), mimetype="application/json")
