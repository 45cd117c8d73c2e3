"""Maps Cloud Storage's errors to the store's errors, with a message for operators."""

from __future__ import annotations

import ast
import json
from http import HTTPStatus

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from clipping.errors import SigningUnavailable, StoreUnavailable

GCS_ERRORS: tuple[type[Exception], ...] = (
    exceptions.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    InvalidResponse,
    DataCorruption,
)
"""Every exception that the client's calls raise for failures outside this process."""


def bucket_is_missing(error: Exception) -> bool:
    """Whether a "not found" is about the bucket, and not about an object in it."""
    return isinstance(error, exceptions.NotFound) and "bucket does not exist" in str(error.message)


def unavailable(action: str, bucket: str, error: Exception) -> StoreUnavailable:
    """The error for a failed `action` ("create clips/…") in `bucket`, caused by `error`."""
    return StoreUnavailable(f"Could not {action}: {explain(bucket, error)}.")


def unsignable(key: str, account: str | None, error: Exception) -> SigningUnavailable:
    """The error when signing a link to `key` as `account` failed with `error`. The message states the fix."""
    return SigningUnavailable(f"could not sign a link to {key}: {_explain_signing(account, error)}")


def _explain_signing(account: str | None, error: Exception) -> str:
    status, text = _refusal(error)
    who = account or "the agent's service account"
    if "SERVICE_DISABLED" in str(error) or "has not been used in project" in text:
        return (
            f"the IAM Service Account Credentials API is disabled ({text}); run "
            "`gcloud services enable iamcredentials.googleapis.com`"
        )
    match status, error:
        case HTTPStatus.FORBIDDEN, _:
            return (
                f"IAM does not allow signBlob for {who} ({text}); grant roles/iam.serviceAccountTokenCreator "
                f"on {who} to the identity that the agent uses (usually {who} itself), or set "
                "GOOGLE_APPLICATION_CREDENTIALS to a key file of the account"
            )
        case HTTPStatus.NOT_FOUND, _:
            return f"the service account {who} does not exist ({text})"
        case HTTPStatus.TOO_MANY_REQUESTS, _:
            return f"IAM's quota for signBlob is used up ({text}); raise it, or use a key file"
        case None, auth.DefaultCredentialsError():
            return text
        case None, auth.RefreshError():
            return f"the credentials of {who} were rejected ({text})"
        case None, auth.TransportError() | requests.RequestException():
            return f"IAM can't be reached ({text.rpartition(': ')[2].rstrip(')') or text})"
    return text or type(error).__name__


def _refusal(error: Exception) -> tuple[int | None, str]:
    """Status and message of IAM's response, which Google's library formats with `repr`; else the text."""
    text = " ".join(str(error).split()).rstrip(".")
    try:
        quoted = ast.literal_eval(text.partition(": ")[2])
        answer = json.loads(quoted) if isinstance(quoted, bytes) else quoted
        return int(answer["error"]["code"]), " ".join(str(answer["error"]["message"]).split()).rstrip(".")
    except (ValueError, SyntaxError, LookupError, TypeError):
        return None, text


def explain(bucket: str, error: Exception) -> str:
    """What failed and how to fix it, as a part of a sentence."""
    cause = error.cause if isinstance(error, exceptions.RetryError) and error.cause else error
    text = " ".join(str(getattr(cause, "message", None) or cause).split()).rstrip(".")
    match cause:
        case exceptions.NotFound():
            return f"the bucket {bucket} does not exist"
        case exceptions.Forbidden():
            return (
                f"access to the bucket {bucket} was denied ({text}); without storage.objects.list, a missing "
                "object gives the same error"
            )
        case exceptions.Unauthorized() | auth.RefreshError() | auth.DefaultCredentialsError():
            return f"the credentials for Cloud Storage are missing or were rejected ({text})"
        case exceptions.TooManyRequests():
            return f"Cloud Storage limits the request rate ({text})"
        case requests.Timeout():
            return "Cloud Storage did not answer in time"
        case requests.ConnectionError() | auth.TransportError():
            # urllib3's reason is at the end of a long chain of wrapped errors.
            return f"Cloud Storage can't be reached ({text.rpartition(': ')[2].rstrip(')') or text})"
        case _:
            return text or type(cause).__name__
