"""CORS: only web pages of `api.cors_origins` may call the API from a browser."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response
from flask_cors import CORS

_METHODS = ["GET", "HEAD", "POST", "PUT"]
_REQUEST_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Traceparent",
    "X-Request-Id",
]
_RESPONSE_HEADERS = [
    "ETag",
    "Location",
    "Preview-Agent",
    "Preview-Audio",
    "Preview-Columns",
    "Preview-End",
    "Preview-Frames",
    "Preview-Height",
    "Preview-Kind",
    "Preview-Last",
    "Preview-More",
    "Preview-Offset",
    "Preview-Start",
    "Preview-Tiles",
    "Preview-Time",
    "Preview-Width",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
]
_PREFLIGHT_SECONDS = 600


def install(app: Flask, origins: Sequence[str]) -> None:
    """Answer preflight requests. Credentials are headers, never cookies, and so not allowed here."""
    if not origins:
        return
    CORS(
        app,
        origins=list(origins),
        methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_RESPONSE_HEADERS,
        max_age=_PREFLIGHT_SECONDS,
        always_send=False,
        intercept_exceptions=False,
    )
    app.after_request(_vary)


def _vary(response: Response) -> Response:
    # Always, not only if the response names an origin: a cache must not return it to another page.
    response.vary.add("Origin")
    return response
