"""The identity used with Cloud Storage, and the credentials that sign download links.

A service account's key file can sign locally. On Cloud Run and Compute Engine there is no key: IAM's signBlob
signs for the account, which needs the role Service Account Token Creator on itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google.auth
from google.auth import exceptions, iam
from google.auth.credentials import AnonymousCredentials, Credentials, Signing
from google.auth.transport import Request
from google.auth.transport.requests import Request as HttpRequest
from google.oauth2 import service_account

EMULATOR = "STORAGE_EMULATOR_HOST"
_KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_SIGN_SECONDS = 10.0


@dataclass(frozen=True)
class Identity:
    """`transport` authenticates requests; `account` signs links, None when no account is known."""

    transport: Credentials
    account: Credentials | None

    @property
    def email(self) -> str | None:
        """The service account that signs links, if known."""
        email = getattr(self.account, "service_account_email", None)
        return email if isinstance(email, str) and "@" in email else None

    def signing(self, request: Request | None = None) -> Any:
        """Credentials that can sign. Raises google.auth's errors, with the fix in the message.

        `request` sends requests to the metadata server and IAM.
        """
        if self.account is None:
            raise exceptions.DefaultCredentialsError(
                f"no account to sign links with; set {_KEY_FILE} to a service account's key file"
            )
        if isinstance(self.account, Signing):
            return self.account
        request = request or _BoundedRequest()
        if not self.account.valid:
            self.account.refresh(request)  # only then does the metadata server return the account's name
        email = self.email
        if email is None:
            raise exceptions.DefaultCredentialsError(
                "links can't be signed with a user's login; use a service account, or log in with "
                "`gcloud auth application-default login --impersonate-service-account=ACCOUNT`"
            )
        return service_account.Credentials(
            signer=iam.Signer(request, self.account, email), service_account_email=email, token_uri=""
        )


def identity(key_file: Path | None = None) -> Identity:
    """The identity of `key_file`, a service account's key; None: from the environment, found as Google's
    libraries do. Raises `DefaultCredentialsError`."""
    if os.environ.get(EMULATOR):
        named = key_file is not None or os.environ.get(_KEY_FILE)
        return Identity(AnonymousCredentials(), _account(key_file) if named else None)
    account = _account(key_file)
    return Identity(account, account)


def _account(key_file: Path | None) -> Credentials:
    if key_file is None:
        return google.auth.default(scopes=_SCOPES)[0]
    try:
        found: Credentials = service_account.Credentials.from_service_account_file(
            str(key_file), scopes=_SCOPES
        )
        return found
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, exceptions.MalformedError):
        reason = "it is not a service account's key"
    raise exceptions.DefaultCredentialsError(f"{key_file} can't be used: {reason}")


class _BoundedRequest(HttpRequest):
    """A request with a short timeout; the default is two minutes."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        named["timeout"] = _SIGN_SECONDS
        return super().__call__(*arguments, **named)  # type: ignore[no-untyped-call]
