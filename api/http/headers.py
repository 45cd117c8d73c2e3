"""Headers of every response: security headers, and the request's id in the log."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from functools import partial

from flask import Flask, Response, g, request

from api.auth.limits import Allowance
from clipping.http.security import SECURITY
from clipping.log import get_logger

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)

_HTTPS_ONLY = "max-age=31536000"

log = get_logger(__name__)


def install(app: Flask, *, https: bool) -> None:
    """Add an id to each request, and the headers to each response. `https`: enable HSTS."""
    always = {**SECURITY, "Strict-Transport-Security": _HTTPS_ONLY} if https else SECURITY
    app.before_request(_before)
    app.after_request(partial(_after, always))


def traceparent() -> str:
    """The caller's trace (W3C Trace Context), or a new one."""
    given = request.headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _before() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    g.began = time.perf_counter()


def _after(always: Mapping[str, str], response: Response) -> Response:
    for name, value in always.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    allowance: Allowance | None = g.get("allowance")
    if allowance is not None:
        response.headers.update(allowance.headers())
    response.headers["X-Request-Id"] = g.request_id
    # A request's changes are logged separately. The query may contain a signature: it is not logged.
    write = log.debug if response.status_code < 500 else log.info
    write(
        "http.request",
        id=g.request_id,
        method=request.method,
        path=request.path,
        status=response.status_code,
        ms=round((time.perf_counter() - g.began) * 1000, 1),
    )
    return response
