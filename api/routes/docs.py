"""The OpenAPI contract, and a page to browse it, which loads nothing from other hosts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import flask_swagger_ui
import yaml
from flask import Blueprint, Response, current_app, send_from_directory
from werkzeug.exceptions import NotFound

from api.docs.contract import shown
from api.docs.recordings import Recordings

blueprint = Blueprint("docs", __name__)

RECORDINGS = "clipping.recordings"
"""The key of the app's `Recordings`."""
_PACKAGE = Path(__file__).parent.parent
_SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
_CONTRACT = "openapi.json"
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
    """The page's scripts and styles, and its version of the contract."""
    if name == _CONTRACT:
        recordings: Recordings = current_app.extensions[RECORDINGS]
        body = json.dumps(shown(_contract(), recordings.example()))
        return Response(body, mimetype="application/json")
    if name in _OURS:
        return _cached(send_from_directory(_PACKAGE / "static", name), seconds=60)
    if name in _THEIRS:
        return _cached(send_from_directory(_SWAGGER_UI, name), seconds=86_400)
    raise NotFound


@cache
def _contract() -> dict[str, Any]:
    # Cached: PyYAML needs most of a second to parse it.
    contract: dict[str, Any] = yaml.safe_load((_PACKAGE / "openapi.yaml").read_bytes())
    return contract


def _cached(response: Response, *, seconds: int) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response
