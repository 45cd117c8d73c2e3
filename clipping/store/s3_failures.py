"""Repeats writes that were not decided, and maps an S3-compatible store's errors to ours, with a message for
operators."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from clipping.errors import SigningUnavailable, StoreUnavailable

S3_ERRORS: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
"""Every exception that the client's calls raise for failures outside this process."""

_CONFLICT_TRIES = 4
_CONFLICT_SECONDS = 0.1
"""The wait before a write that AWS neither did nor refused is tried again; doubles."""
_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "TokenRefreshRequired",
    "Unauthorized",
    "401",
}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "403"}
_REGION = {
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "TemporaryRedirect",
    "IllegalLocationConstraintException",
    "301",
    "307",
}
_RATE = {"SlowDown", "TooManyRequests", "Throttling", "ThrottlingException", "RequestLimitExceeded", "429"}


def code_of(error: Exception) -> str:
    """The error code of the store's response, or its status if a HEAD had no body; else empty."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def decided(write: Callable[[], Any]) -> Any:
    """The result of a conditional write. AWS answers 409 when another one ran at the same time: again."""
    for attempt in range(_CONFLICT_TRIES):
        try:
            return write()
        except ClientError as error:
            if not is_conflict(error) or attempt == _CONFLICT_TRIES - 1:
                raise
        time.sleep(_CONFLICT_SECONDS * 2**attempt * random.uniform(0.5, 1))
    raise AssertionError("unreachable")


def is_precondition(error: Exception) -> bool:
    """Whether a condition of the request did not hold."""
    return code_of(error) in ("PreconditionFailed", "412")


def is_conflict(error: Exception) -> bool:
    """Whether another write of the same object ran at the same time, so that none was decided (AWS)."""
    return code_of(error) in ("ConditionalRequestConflict", "OperationAborted", "409")


def is_missing(error: Exception) -> bool:
    """Whether the object, and not its bucket, is missing. A HEAD does not distinguish the two."""
    return code_of(error) in ("NoSuchKey", "NotFound", "404")


def is_missing_bucket(error: Exception) -> bool:
    """Whether there is no such bucket."""
    return code_of(error) in ("NoSuchBucket", "NotFound", "404")


def is_denied(error: Exception) -> bool:
    """Whether the access key may not do this, as far as the store says."""
    return code_of(error) in _DENIED


def is_unsupported(error: Exception) -> bool:
    """Whether the store does not know a header of the request."""
    return code_of(error) in ("NotImplemented", "501")


def is_refused_rule(error: Exception) -> bool:
    """Whether the store does not know this kind of lifecycle rule."""
    return is_unsupported(error) or code_of(error) in ("InvalidArgument", "InvalidRequest", "MalformedXML")


def unavailable(action: str, bucket: str, error: Exception) -> StoreUnavailable:
    """The error for a failed `action` ("create clips/…") in `bucket`, caused by `error`."""
    return StoreUnavailable(f"Could not {action}: {explain(bucket, error)}.")


def unsignable(key: str, bucket: str, error: Exception) -> SigningUnavailable:
    """The error when signing a link to `key` failed with `error`."""
    return SigningUnavailable(f"could not sign a link to {key}: {explain(bucket, error)}")


def may_pass(error: Exception) -> bool:
    """Whether the store refused only because of its own state."""
    if not isinstance(error, ClientError):
        return False
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or code_of(error) in _RATE


def explain(bucket: str, error: Exception, *, setting: str = "storage") -> str:
    """What failed and how to fix it, as a part of a sentence. `setting`: the section of the configuration
    that the store is in."""
    if isinstance(error, ClientError):
        return _refusal(bucket, error, setting)
    text = " ".join(str(error).split()).rstrip(".")
    match error:
        case (
            exceptions.NoCredentialsError()
            | exceptions.PartialCredentialsError()
            | exceptions.CredentialRetrievalError()
            | exceptions.ProfileNotFound()
        ):
            return (
                f"the credentials for the store are missing or can't be read ({text}): set "
                f"{setting}.credentials to a file with the access key, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY"
            )
        case exceptions.ReadTimeoutError():
            return "the store did not answer in time"
        case exceptions.HTTPClientError() | exceptions.ConnectionError():
            return f"the store can't be reached ({text}): check storage.endpoint, and that the store runs"
        case exceptions.ParamValidationError():
            return f"{text}: check storage.bucket"
        case _:
            return text or type(error).__name__


def _refusal(bucket: str, error: ClientError, setting: str) -> str:
    code = code_of(error)
    text = " ".join(str(error.response.get("Error", {}).get("Message", "")).split()).rstrip(".") or code
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket" or code == "404":
        return f"the bucket {bucket} does not exist: run `clipping-agent provision`"
    if code in ("BucketAlreadyExists", "InvalidBucketName"):
        return f"{text}: choose another name for storage.bucket"
    if code in _CREDENTIALS:
        return f"the credentials for the store were rejected ({text}): check {setting}.credentials"
    if code == "RequestTimeTooSkewed":
        return "this machine's clock differs too much from the store's: set up NTP"
    if code in _REGION:
        return f"the bucket {bucket} is in another region ({text}): set {setting}.region"
    if code in _DENIED:
        return (
            f"access to the bucket {bucket} was denied ({text}); without s3:ListBucket, a missing object "
            "gives the same error"
        )
    if code in _RATE or (status == 503 and code == "ServiceUnavailable"):
        return f"the store limits the request rate ({text})"
    if is_conflict(error):
        return f"other writes of the same object were running all the time ({text})"
    return f"the store answered {status} {code} ({text})"
