"""The client's exceptions.

ClippingError
└── ClientError
    ├── NoAnswer             NO_ANSWER: the service can't be reached, or did not answer in time
    ├── WaitedTooLong        WAITED_TOO_LONG: the wait timed out
    ├── NotSaved             NOT_SAVED: the clip was not written to the file
    ├── NotUploaded          NOT_UPLOADED: the recording can't be read
    └── ApiError             the service's error, with its `code` and, if any, the invalid `field`
        ├── Refused          400, 413, 415, 422: the request is invalid
        ├── NotAllowed       401, 403
        ├── NotFound         404
        ├── Conflict         409, 412: not possible in the current state
        ├── Gone             410
        └── Unavailable      429, 502, 503, 504: retry after `retry_after` seconds
"""

from __future__ import annotations

import json
from typing import Any

from clipping.errors import ClippingError


class ClientError(ClippingError):
    """Base class of the client's exceptions."""


class NoAnswer(ClientError):
    """The service can't be reached or did not respond in time. It may have executed the call."""

    code = "NO_ANSWER"


class WaitedTooLong(ClientError):
    """The wait timed out. The operation may still complete."""

    code = "WAITED_TOO_LONG"


class NotSaved(ClientError):
    """The file exists or can't be written, or the download is corrupt."""

    code = "NOT_SAVED"


class NotUploaded(ClientError):
    """The recording can't be read, is empty, or was changed while it was uploaded."""

    code = "NOT_UPLOADED"


class ApiError(ClientError):
    """The service answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        field: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        """Stable: `INVALID_REQUEST`, `NOT_FOUND`, …"""
        self.field = field
        """The invalid field of the request, if any."""
        self.retry_after = retry_after
        """Seconds to wait before a retry, if the service has sent them."""
        self.request_id = request_id
        """The id of the call in the service's log."""


class Refused(ApiError):
    """The request is invalid: correct it."""


class NotAllowed(ApiError):
    """The key is missing or unknown, or its role does not allow this."""


class NotFound(ApiError):
    """The resource does not exist, or belongs to another caller."""


class Conflict(ApiError):
    """Not possible in the current state."""


class Gone(ApiError):
    """The resource was deleted or has expired."""


class Unavailable(ApiError):
    """Temporarily unavailable."""


_KINDS: dict[int, type[ApiError]] = {
    400: Refused,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: Conflict,
    413: Refused,
    415: Refused,
    422: Refused,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def error_of(status: int, body: bytes, *, retry_after: float | None, request_id: str | None) -> ApiError:
    """The error for a response, which may come from another server, such as a proxy."""
    detail = _detail(body)
    message = detail.get("message") or f"the service answered with HTTP status {status}"
    return _KINDS.get(status, ApiError)(
        str(message),
        status=status,
        code=str(detail.get("code") or f"HTTP_{status}"),
        field=str(detail["field"]) if detail.get("field") else None,
        retry_after=retry_after,
        request_id=request_id,
    )


def _detail(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        return {}
    detail = decoded.get("error") if isinstance(decoded, dict) else None
    return detail if isinstance(detail, dict) else {}
