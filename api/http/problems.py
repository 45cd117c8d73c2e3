"""Error responses: one schema for all, and never a stack trace."""

from __future__ import annotations

from datetime import datetime

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.auth.limits import Allowance
from api.clips.quotas import ShortsUsedUp
from api.clips.views import problem_of
from clipping.clock import SystemClock
from clipping.contract.results import Error, Problem
from clipping.errors import (
    ClippingError,
    Expired,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    QueueUnavailable,
    RequestError,
    TransientError,
    Unauthorized,
    UnsupportedMediaType,
)
from clipping.log import get_logger

RETRY_AFTER_SECONDS = 5
"""The `Retry-After` of a 503."""
_CODES = {
    error.status: error.code
    for error in (InvalidRequest, NotFound, MethodNotAllowed, PayloadTooLarge, UnsupportedMediaType)
}

log = get_logger(__name__)


def deleted(what: str, at: datetime | None = None) -> Expired:
    """The error when the store no longer has what is asked for. `at`: when it expired, if that is known."""
    when = f", on {at:%Y-%m-%d %H:%M} UTC" if at is not None else ""
    return Expired(f"the {what} was deleted at the end of its retention period{when}: request it again")


def error_response(status: int, code: str, message: str) -> Response:
    """A response in the error schema."""
    return _response(status, Problem(code=code, message=message))


def error_json(code: str, message: str) -> bytes:
    """The body of an error response."""
    return _json(Problem(code=code, message=message))


def install(app: Flask) -> None:
    """Return every exception of the app as an error response."""
    app.register_error_handler(RequestError, _request_error)
    app.register_error_handler(TransientError, _transient_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _response(status: int, detail: Problem) -> Response:
    return Response(_json(detail), status=status, mimetype="application/json")


def _json(detail: Problem) -> bytes:
    return Error(error=detail, timestamp=SystemClock().now()).to_json().encode()


def _request_error(error: RequestError) -> Response:
    response = _response(error.status, problem_of(error))
    g.error_code = error.code
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, ShortsUsedUp):
        g.allowance = Allowance(error.details.limit, 0, error.details.retry_after_seconds)
    if isinstance(error, QueueUnavailable):
        log.error("http.unavailable", reason=error.message, cause=str(error.__cause__ or ""))
    if error.retry_after is not None or error.status == 503:
        response.headers["Retry-After"] = str(error.retry_after or RETRY_AFTER_SECONDS)
    return response


def _transient_error(error: TransientError) -> Response:
    log.error("http.unavailable", reason=error.message, code=error.code)
    response = error_response(503, error.code, error.message)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _http_error(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if status < 400:
        return error  # a redirect
    if isinstance(error, RequestEntityTooLarge):
        return error_response(413, PayloadTooLarge.code, "the body is too large")
    if status == 404:
        return error_response(404, NotFound.code, f"there is no {request.path}: see /docs")
    if status >= 500:
        return _unexpected(error)
    response = error_response(
        status, _CODES.get(status, InvalidRequest.code), error.description or error.name
    )
    for name, value in error.get_headers(request.environ):
        if name in ("Allow", "Content-Range"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    # The handler of unexpected exceptions: the caller gets the id in the log.
    log.exception("http.internal_error", id=g.request_id, method=request.method, path=request.path)
    message = f"internal error; include this id when you report it: {g.request_id}"
    return error_response(500, ClippingError.code, message)
