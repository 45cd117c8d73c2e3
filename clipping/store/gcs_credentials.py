"""Who we are at Cloud Storage, and what we sign download links with.

A service account's key file signs by itself. On Cloud Run and Compute Engine there is no key: IAM's signBlob
signs in the account's name, for which the account needs the role Service Account Token Creator on itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
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
    """`transport` speaks for us; `account` is who links are signed as, None when nobody is known."""

    transport: Credentials
    account: Credentials | None

    @property
    def email(self) -> str | None:
        """The service account that links are signed as, where that is known."""
        email = getattr(self.account, "service_account_email", None)
        return email if isinstance(email, str) and "@" in email else None

    def signing(self, request: Request | None = None) -> Any:
        """Credentials that can sign. Raises google.auth's errors, with what to do.

        `request` is how the metadata server and IAM are asked.
        """
        if self.account is None:
            raise exceptions.DefaultCredentialsError(
                f"there is nobody to sign links as; set {_KEY_FILE} to a service account's key"
            )
        if isinstance(self.account, Signing):
            return self.account
        request = request or _BoundedRequest()
        if not self.account.valid:
            self.account.refresh(request)  # the metadata server says who we are only then
        email = self.email
        if email is None:
            raise exceptions.DefaultCredentialsError(
                "links can't be signed with a user's login; use a service account, or log in with "
                "`gcloud auth application-default login --impersonate-service-account=ACCOUNT`"
            )
        return service_account.Credentials(
            signer=iam.Signer(request, self.account, email), service_account_email=email, token_uri=""
        )


def identity() -> Identity:
    """From the environment, as Google's libraries look for it. Raises `DefaultCredentialsError`."""
    if os.environ.get(EMULATOR):
        account = google.auth.default(scopes=_SCOPES)[0] if os.environ.get(_KEY_FILE) else None
        return Identity(AnonymousCredentials(), account)
    account = google.auth.default(scopes=_SCOPES)[0]
    return Identity(account, account)


class _BoundedRequest(HttpRequest):
    """The default would wait for two minutes."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        named["timeout"] = _SIGN_SECONDS
        return super().__call__(*arguments, **named)  # type: ignore[no-untyped-call]
