"""Maps Pub/Sub's errors to `BusUnavailable`, with a message for operators."""

from __future__ import annotations

import os

from google.api_core import exceptions, retry
from google.auth import exceptions as auth

from clipping.errors import BusUnavailable

EMULATOR = "PUBSUB_EMULATOR_HOST"
"""The official clients' variable: the address of a broker to use instead of Google's."""

BUS_ERRORS: tuple[type[Exception], ...] = (exceptions.GoogleAPIError, auth.GoogleAuthError)
"""Every exception that the client's calls raise for failures outside this process."""

_WORTH_A_RETRY = (
    exceptions.Aborted,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
    exceptions.Unknown,
)


def bounded(seconds: float) -> retry.Retry:
    """Retries of transient errors, for `seconds` in total. Pass the call the same `timeout`."""
    return retry.Retry(
        predicate=retry.if_exception_type(*_WORTH_A_RETRY),
        initial=0.1,
        maximum=2.0,
        multiplier=2.0,
        timeout=seconds,
    )


def where() -> str:
    """The host that the clients connect to, for messages."""
    return os.environ.get(EMULATOR) or "pubsub.googleapis.com"


def unavailable(action: str, error: BaseException) -> BusUnavailable:
    """The error for a failed `action` ("publish to clipping-requests"), caused by `error`."""
    return BusUnavailable(f"Could not {action}: {explain(error)}.")


def explain(error: BaseException) -> str:
    """The end of a sentence about `error`, without a full stop."""
    cause = error.cause if isinstance(error, exceptions.RetryError) and error.cause else error
    text = " ".join((getattr(cause, "message", None) or str(cause)).split()).rstrip(".")
    match cause:
        case exceptions.NotFound():
            return f"{text} (`clipping-agent provision` creates topics and subscriptions)"
        case exceptions.PermissionDenied():
            return f"Pub/Sub denied access ({text}); grant this machine's service account the missing role"
        case auth.GoogleAuthError() | exceptions.Unauthenticated():
            return f"the credentials for Pub/Sub are missing or were rejected ({text})"
        case exceptions.DeadlineExceeded():
            return f"Pub/Sub at {where()} did not answer in time"
        case exceptions.ServiceUnavailable():
            return f"Pub/Sub at {where()} can't be reached ({text})"
        case _:
            return text or type(cause).__name__
