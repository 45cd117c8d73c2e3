"""What went wrong with Cloud Storage, as one of our errors and a sentence."""

from __future__ import annotations

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from clipping.errors import StoreUnavailable

GCS_ERRORS: tuple[type[Exception], ...] = (
    exceptions.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    InvalidResponse,
    DataCorruption,
)
"""All that the client's calls raise, bugs of ours apart."""


def bucket_is_missing(error: Exception) -> bool:
    """Whether a "not found" is about the bucket, and not about an object in it."""
    return isinstance(error, exceptions.NotFound) and "bucket does not exist" in str(error.message)


def unavailable(action: str, bucket: str, error: Exception) -> StoreUnavailable:
    """`action` ("create clips/…") could not be done in `bucket` because of `error`."""
    return StoreUnavailable(f"Could not {action}: {_explain(bucket, error)}.")


def _explain(bucket: str, error: Exception) -> str:
    cause = error.cause if isinstance(error, exceptions.RetryError) and error.cause else error
    text = " ".join(str(getattr(cause, "message", None) or cause).split()).rstrip(".")
    match cause:
        case exceptions.NotFound():
            return f"the bucket {bucket} does not exist"
        case exceptions.Forbidden():
            return (
                f"the bucket {bucket} refuses us ({text}); without storage.objects.list, an object that does "
                "not exist looks like this too"
            )
        case exceptions.Unauthorized() | auth.RefreshError() | auth.DefaultCredentialsError():
            return f"the credentials for Cloud Storage are missing or were refused ({text})"
        case exceptions.TooManyRequests():
            return f"Cloud Storage asks us to slow down ({text})"
        case requests.Timeout():
            return "Cloud Storage did not answer in time"
        case requests.ConnectionError() | auth.TransportError():
            # urllib3's reason is at the end of a long chain of wrappings.
            return f"Cloud Storage can't be reached ({text.rpartition(': ')[2].rstrip(')') or text})"
        case _:
            return text or type(cause).__name__
