"""The root: browsers are redirected to the console, programs get the URLs of the other resources."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request

from api.services import services
from clipping import __version__
from clipping.contract.results import Index
from console.files import PATH as CONSOLE

blueprint = Blueprint("index", __name__)


@blueprint.get("/")
def index() -> Response:
    """A redirect for browsers, JSON for other clients."""
    # Of equal weights the first one wins: `*/*`, as curl sends it, gets JSON.
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        # Relative: the browser may use another host name than the configured one.
        response = redirect(CONSOLE)
        assert isinstance(response, Response)
    else:
        base = services().config.api.public_url.rstrip("/")
        addresses = Index(
            name="Clipping API",
            version=__version__,
            docs_url=f"{base}/docs",
            openapi_url=f"{base}/openapi.yaml",
            health_url=f"{base}/health",
        )
        response = Response(addresses.to_json(), mimetype="application/json")
    response.vary.add("Accept")
    return response
