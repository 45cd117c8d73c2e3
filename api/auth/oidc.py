"""Google's identity tokens: whether one is genuine, for this service, and of an account with access."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from api.auth.certificates import Certificates
from clipping.clock import Clock
from clipping.config import Oidc, Push, Role
from clipping.errors import Forbidden, Unauthorized
from clipping.log import get_logger

ISSUERS = ("accounts.google.com", "https://accounts.google.com")
CLOCK_SKEW_SECONDS = 10

log = get_logger(__name__)


class TokenVerifier:
    """Checks signature, audience, issuer, times and that the e-mail address is verified."""

    def __init__(self, audience: str, certs_url: str, clock: Clock) -> None:
        self._audience = audience
        self._certificates = Certificates(certs_url, clock)

    def email(self, token: str) -> str:
        """The token's e-mail address in lower case.

        Raises `Unauthorized` for an invalid token, `Forbidden` for a valid one without a verified address,
        and `QueueUnavailable` while the signers' certificates can't be fetched.
        """
        claims = self._claims(token)
        if claims.get("iss") not in ISSUERS:
            raise Unauthorized("the token was not issued by Google")
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise Forbidden("the token has no verified e-mail address")
        return email.lower()

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            key_id = str(jwt.decode_header(token).get("kid", ""))
            certificates = self._certificates.get(key_id)
            if key_id not in certificates:
                raise Unauthorized("the token is signed with an unknown key")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                certs=certificates,
                audience=self._audience,
                clock_skew_in_seconds=CLOCK_SKEW_SECONDS,
            )
        except (ValueError, TypeError, GoogleAuthError) as error:
            # The failed check helps the operator, but also a forger, so it is only logged. After the first
            # colon or comma, the library's message may contain the credential itself.
            log.warning("oidc.token_refused", reason=re.split("[:,]", str(error), maxsplit=1)[0][:80])
            raise Unauthorized(
                "the token is not valid, has expired or is meant for another audience"
            ) from None
        return claims


class PushVerifier:
    """Verifies that a push is from Pub/Sub."""

    def __init__(self, config: Push, clock: Clock) -> None:
        self._account = config.service_account.lower()
        self._tokens = TokenVerifier(config.audience, config.certs_url, clock)

    def verify(self, token: str) -> str:
        """The sender of a push. Raises `Unauthorized` for an invalid token, `Forbidden` for another
        account."""
        email = self._tokens.email(token)
        if email != self._account:
            raise Forbidden("the token is not for the configured service account")
        return email


class AccountVerifier:
    """Authenticates callers by identity tokens instead of keys."""

    def __init__(self, config: Oidc, clock: Clock) -> None:
        self._roles: Mapping[str, Role] = {email.lower(): role for email, role in config.accounts.items()}
        self._tokens = TokenVerifier(config.audience, config.certs_url, clock)

    def verify(self, token: str) -> tuple[str, Role]:
        """The account and its role. Raises `Unauthorized` for a bad token, `Forbidden` for a good one of an
        account that is not allowed."""
        email = self._tokens.email(token)
        role = self._roles.get(email)
        if role is None:
            raise Forbidden(f"{email} is not one of the accounts that may use this service")
        return email, role


def looks_like_token(credential: str) -> bool:
    """Whether it has the three dotted parts of a token, which keys do not have."""
    return credential.count(".") == 2
