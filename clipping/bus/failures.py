"""What went wrong with Pub/Sub, as one of our errors and a sentence."""

from __future__ import annotations

import os

from google.api_core import exceptions, retry
from google.auth import exceptions as auth

from clipping.errors import BusUnavailable

EMULATOR = "PUBSUB_EMULATOR_HOST"
"""The official clients' variable: the address of a broker to use instead of Google's."""

BUS_ERRORS: tuple[type[Exception], ...] = (exceptions.GoogleAPIError, auth.GoogleAuthError)
"""All that the client's calls raise, bugs of ours apart."""

_WORTH_A_RETRY = (
    exceptions.Aborted,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
    exceptions.Unknown,
)


def bounded(seconds: float) -> retry.Retry:
    """Retries of what may pass, for `seconds` in all; the call's own `timeout` has to be the same."""
    return retry.Retry(
        predicate=retry.if_exception_type(*_WORTH_A_RETRY),
        initial=0.1,
        maximum=2.0,
        multiplier=2.0,
        timeout=seconds,
    )


def where() -> str:
    """The place that the clients talk to, for messages to people."""
    return os.environ.get(EMULATOR) or "pubsub.googleapis.com"


def unavailable(action: str, error: BaseException) -> BusUnavailable:
    """`action` ("publish to clipping-requests") could not be done because of `error`."""
    return BusUnavailable(f"Could not {action}: {explain(error)}.")


def explain(error: BaseException) -> str:
    """The end of a sentence about `error`, without a full stop."""
    cause = error.cause if isinstance(error, exceptions.RetryError) and error.cause else error
    text = " ".join((getattr(cause, "message", None) or str(cause)).split()).rstrip(".")
    match cause:
        case exceptions.NotFound():
            return f"{text} (`clipping-agent provision` creates topics and subscriptions)"
        case exceptions.PermissionDenied():
            return f"Pub/Sub refuses us ({text}); give this machine's account the role it lacks"
        case auth.GoogleAuthError() | exceptions.Unauthenticated():
            return f"the credentials for Pub/Sub are missing or were refused ({text})"
        case exceptions.DeadlineExceeded():
            return f"Pub/Sub at {where()} did not answer in time"
        case exceptions.ServiceUnavailable():
            return f"Pub/Sub at {where()} can't be reached ({text})"
        case _:
            return text or type(cause).__name__
