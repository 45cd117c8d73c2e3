"""Errors of a call to the API: each is a response with its status."""

from __future__ import annotations

from typing import ClassVar

from clipping.errors.base import ClippingError


class RequestError(ClippingError):
    """The caller's request can't be served; `field` names the invalid field, if any.

    `retry_after` is the number of seconds after which the same request may be served.
    """

    status: ClassVar[int] = 400

    def __init__(self, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.retry_after = retry_after


class InvalidRequest(RequestError):
    """A field is missing, unknown, of the wrong type or out of range."""

    code = "INVALID_REQUEST"


class Unauthorized(RequestError):
    """No credential, or an unknown one."""

    code, status = "UNAUTHORIZED", 401


class TokenExpired(Unauthorized):
    """The token was valid once: request a new one."""

    code = "TOKEN_EXPIRED"


class Forbidden(RequestError):
    """A valid credential whose role does not allow this."""

    code, status = "FORBIDDEN", 403


class NotFound(RequestError):
    """The resource does not exist, or belongs to another caller."""

    code, status = "NOT_FOUND", 404


class MethodNotAllowed(RequestError):
    """The route exists, but does not support the method."""

    code, status = "METHOD_NOT_ALLOWED", 405


class NotReady(RequestError):
    """The clip is not finished, or failed."""

    code, status = "NOT_READY", 409


class NotFinished(RequestError):
    """The clip has not ended: there is nothing to retry yet."""

    code, status = "NOT_FINISHED", 409


class AlreadyFinished(RequestError):
    """The clip has ended: there is nothing left to cancel, or, if it is completed, to retry."""

    code, status = "ALREADY_FINISHED", 409


class AlreadyUploaded(RequestError):
    """The upload's file is there already: each URL takes one."""

    code, status = "ALREADY_UPLOADED", 412


class IdempotencyConflict(RequestError):
    """The `Idempotency-Key` was used for another request within the last day."""

    code, status = "IDEMPOTENCY_CONFLICT", 409


class InvalidPeriod(RequestError):
    """Statistics are not kept for such a period."""

    code = "INVALID_PERIOD"


class Expired(RequestError):
    """The clip was deleted after its retention period, or a signed URL has expired."""

    code, status = "EXPIRED", 410


class PayloadTooLarge(RequestError):
    """The body is above the limit."""

    code, status = "PAYLOAD_TOO_LARGE", 413


class UnsupportedMediaType(RequestError):
    """The body is not application/json."""

    code, status = "UNSUPPORTED_MEDIA_TYPE", 415


class RateLimited(RequestError):
    """More calls in a minute than `limits.requests_per_minute`."""

    code, status = "RATE_LIMITED", 429


class QuotaExceeded(RequestError):
    """More upright clips in a day than `limits.shorts_per_day`."""

    code, status = "QUOTA_EXCEEDED", 429


class TooManyStreams(RequestError):
    """The maximum number of event streams (`api.event_streams`) is open."""

    code, status = "TOO_MANY_STREAMS", 503


class Overloaded(RequestError):
    """The server has too many open connections to answer anything but health checks."""

    code, status = "OVERLOADED", 503


class RangeNotSatisfiable(RequestError):
    """The requested range is beyond the file's end."""

    code, status = "RANGE_NOT_SATISFIABLE", 416


class HeadersTooLarge(RequestError):
    """The request's headers are above the server's limit."""

    code, status = "HEADERS_TOO_LARGE", 431


class UnknownTransfer(RequestError):
    """A `Transfer-Encoding` that the server does not know."""

    code, status = "NOT_IMPLEMENTED", 501


class NotPossible(RequestError):
    """The failover is not possible in the cluster's state: no lease, or the named agent leads already."""

    code, status = "NOT_POSSIBLE", 409


class OperationRunning(RequestError):
    """Another failover is not finished."""

    code, status = "OPERATION_RUNNING", 409


class NoEligibleTarget(RequestError):
    """No agent can take over; the message states each agent's reasons."""

    code, status = "NO_ELIGIBLE_TARGET", 412


class CoordinationUnavailable(RequestError):
    """The cluster's documents can't be read or parsed. Nothing was changed."""

    code, status = "COORDINATION_UNAVAILABLE", 503


class PreviewUnavailable(RequestError):
    """No agent answers for previews, or what one answers can't be passed on."""

    code, status = "PREVIEW_UNAVAILABLE", 503


class CatalogUnavailable(RequestError):
    """The catalogue of recordings can't be read from the store now."""

    code, status = "CATALOG_UNAVAILABLE", 503


class QueueUnavailable(RequestError):
    """The request can't be accepted now: the database or the queue is unavailable."""

    code, status = "QUEUE_UNAVAILABLE", 503
