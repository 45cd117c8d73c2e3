"""The written contract, and a page to browse it. Everything comes from here: no foreign host is asked."""

from __future__ import annotations

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response, send_from_directory
from werkzeug.exceptions import NotFound

blueprint = Blueprint("docs", __name__)

_PACKAGE = Path(__file__).parent.parent
_SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
_OURS = ("docs.js",)
_THEIRS = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

# Swagger UI sets style attributes, and its icons are data: URLs. Scripts are files of ours only.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/openapi.yaml")
def openapi() -> Response:
    """The contract."""
    return _cached(send_from_directory(_PACKAGE, "openapi.yaml", mimetype="application/yaml"), seconds=60)


@blueprint.get("/docs")
def page() -> Response:
    """The page around Swagger UI."""
    response = _cached(send_from_directory(_PACKAGE / "static", "docs.html"), seconds=60)
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@blueprint.get("/docs/assets/<name>")
def asset(name: str) -> Response:
    """The page's scripts and styles."""
    if name in _OURS:
        return _cached(send_from_directory(_PACKAGE / "static", name), seconds=60)
    if name in _THEIRS:
        return _cached(send_from_directory(_SWAGGER_UI, name), seconds=86_400)
    raise NotFound


def _cached(response: Response, *, seconds: int) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response
