"""What all responses of the preview service share: the error schema, and headers for caches and pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as NotThisMethod

from clipping.clock import SystemClock
from clipping.contract.results import Error, Problem
from clipping.errors import (
    ClippingError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PermanentError,
    RequestError,
    TimeLimit,
    Unauthorized,
)
from clipping.log import get_logger

log = get_logger(__name__)

_RETRY_SECONDS = 5
_UNUSABLE = 422
"""The recording, not the request, is the reason."""
_PREFLIGHT_SECONDS = "600"
_ALLOWED_HEADERS = "Authorization, Content-Type, If-None-Match"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address may hold a token
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # With a token, any page may embed an image.
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def install(app: Flask, origins: Callable[[], Sequence[str]], agent_id: str) -> None:
    """Return every exception in the error schema, and add the headers. `origins`: whose pages may call."""
    install_errors(app)

    @app.before_request
    def preflight() -> Response | None:
        return Response(status=204) if request.method == "OPTIONS" else None

    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Preview-Agent"] = agent_id
        allowed = origins()
        if allowed:
            response.vary.add("Origin")
        if (origin := request.headers.get("Origin")) in allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            exposed = [name for name, _ in response.headers if name.startswith("Preview-")]
            response.headers["Access-Control-Expose-Headers"] = ", ".join(["ETag", "Retry-After", *exposed])
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST"
                response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
                response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
        return response


def install_errors(app: Flask) -> None:
    """Return every exception in the error schema."""
    app.register_error_handler(ClippingError, _clipping_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def facts_as_headers(facts: Mapping[str, Any]) -> dict[str, str]:
    """`Preview-NAME` for each fact that is known."""
    return {f"Preview-{name.title()}": _text(value) for name, value in facts.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    return str(value)


def _clipping_error(error: ClippingError) -> Response:
    if isinstance(error, RequestError):
        response = _response(error.status, error.code, error.message, error.field)
        if isinstance(error, Unauthorized):
            response.headers["WWW-Authenticate"] = "Bearer"
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    if isinstance(error, PermanentError) and not isinstance(error, TimeLimit):
        return _response(_UNUSABLE, error.code, error.message)
    response = _response(503, error.code, error.message)
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 404:
        return _response(404, NotFound.code, f"there is no {request.path}: see /docs of the API")
    if isinstance(error, NotThisMethod):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        response = _response(405, MethodNotAllowed.code, f"{request.path} takes {allowed}")
        response.headers["Allow"] = allowed
        return response
    if status >= 500:
        return _unexpected(error)
    return _response(status, InvalidRequest.code, error.description or error.name)


def _unexpected(error: Exception) -> Response:
    log.exception("preview.failed", path=request.path)
    return _response(500, ClippingError.code, "internal error: see the agent's log")


def _response(status: int, code: str, message: str, field: str | None = None) -> Response:
    body = Error(error=Problem(code=code, message=message, field=field), timestamp=SystemClock().now())
    return Response(body.to_json(), status, mimetype="application/json")
