"""What a call can come to instead of a result.

ClippingError
└── ClientError
    ├── NoAnswer             NO_ANSWER: the service can't be reached, or did not answer in time
    ├── WaitedTooLong        WAITED_TOO_LONG: what was waited for did not happen in time
    ├── NotSaved             NOT_SAVED: the clip was not written to the file
    └── ApiError             the service's own error, with its `code` and, where one is to blame, `field`
        ├── Refused          400, 413, 415, 422: the request is not one that can be served
        ├── NotAllowed       401, 403
        ├── NotFound         404
        ├── Conflict         409, 412: not as things are
        ├── Gone             410
        └── Unavailable      429, 502, 503, 504: try again later, `retry_after` says when
"""

from __future__ import annotations

import json
from typing import Any

from clipping.errors import ClippingError


class ClientError(ClippingError):
    """Base of what this client raises."""


class NoAnswer(ClientError):
    """The service can't be reached or did not answer in time. Whether it did what was asked is not known."""

    code = "NO_ANSWER"


class WaitedTooLong(ClientError):
    """What was waited for did not happen in time. It may still."""

    code = "WAITED_TOO_LONG"


class NotSaved(ClientError):
    """The file exists or can't be written, or what was downloaded is not the clip."""

    code = "NOT_SAVED"


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
        """The field of the request that is to blame, where one is."""
        self.retry_after = retry_after
        """Seconds, where the service says so."""
        self.request_id = request_id
        """Under which the service's log knows the call."""


class Refused(ApiError):
    """The request can't be served as it is: mend it."""


class NotAllowed(ApiError):
    """No key, an unknown one, or one whose role may not do this."""


class NotFound(ApiError):
    """No such thing, or not the caller's."""


class Conflict(ApiError):
    """Not as things are now."""


class Gone(ApiError):
    """It was there, and is not any more."""


class Unavailable(ApiError):
    """Not now."""


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
    """The error that an answer is; one that did not come from our service is understood as far as it goes."""
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
