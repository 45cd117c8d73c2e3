"""Callers and their roles, identified by bearer keys (stored as hashes) or identity tokens."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from api.auth.oidc import AccountVerifier, looks_like_token
from clipping.clock import Clock
from clipping.config import Api, ApiKey, Role
from clipping.errors import Forbidden, Unauthorized

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Caller:
    """An authenticated caller, who owns the requests of the call."""

    name: str
    """A key's name, or an account's e-mail address. Names of keys contain no `@`."""
    role: Role
    via: Literal["key", "oidc", "local", "token"] = "key"

    @property
    def sees(self) -> str | None:
        """Whose clips the caller may access: a client its own, an admin (None) all."""
        return None if self.role == "admin" else self.name

    def may_see(self, owner: str) -> bool:
        """Whether the caller may access the clips of `owner`."""
        return self.sees in (None, owner)


@dataclass(frozen=True)
class Knock:
    """The parts of a request that identify its caller."""

    authorization: str
    host: str
    origin: str | None
    method: str
    address: str


class Authenticator:
    """Identifies callers. Safe to share between threads."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._keys = api.keys
        self._accounts = AccountVerifier(api.oidc, clock) if api.oidc else None
        self._takes_tokens = api.oidc is not None or api.push is not None
        self._own_names = {*_LOOPBACK, urlsplit(api.public_url).hostname or ""}

    def identify(self, knock: Knock) -> Caller:
        """The caller. Raises `Unauthorized` for an unknown one, `Forbidden` for one without access."""
        if not self._keys and self._accounts is None:
            return self._local(knock)
        return self._bearer(bearer(knock.authorization))

    def may_know(self, authorization: str) -> bool:
        """False when `identify` would certainly refuse this header. Never waits: tokens are not verified."""
        if not self._keys and self._accounts is None:
            return True
        try:
            credential = bearer(authorization)
        except Unauthorized:
            return False
        return bool(self._matches(credential)) or (self._takes_tokens and looks_like_token(credential))

    def _bearer(self, credential: str) -> Caller:
        if matches := self._matches(credential):
            return Caller(matches[0].name, matches[0].role)
        if self._accounts is None or not looks_like_token(credential):
            raise Unauthorized("unknown API key")
        name, role = self._accounts.verify(credential)
        return Caller(name, role, "oidc")

    def _matches(self, credential: str) -> list[ApiKey]:
        # WSGI decodes headers as Latin-1. Every key is compared, so that the duration reveals nothing.
        digest = hashlib.sha256(credential.encode("latin-1", "replace")).hexdigest()
        return [known for known in self._keys if hmac.compare_digest(known.sha256, digest)]

    def _local(self, knock: Knock) -> Caller:
        """Without keys and accounts, only accept callers on this machine.

        Pages of other sites in a browser on this machine are refused. They are recognised by a foreign host
        name that resolves to this machine, or by the `Origin` that browsers add to calls that may change
        something.
        """
        if knock.address not in _LOOPBACK or _host_name(knock.host) not in self._own_names:
            raise Forbidden(
                "without configured keys this service only accepts requests on its loopback address"
            )
        page = _host_name(knock.origin.partition("//")[2]) if knock.origin is not None else None
        if page is not None and page not in self._own_names and knock.method not in _SAFE:
            raise Forbidden("without configured keys this service rejects requests from other sites")
        return Caller("local", "admin", "local")


def bearer(authorization: str) -> str:
    """The credential in an `Authorization` header. Raises `Unauthorized`."""
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthorized("send your key or your identity token as `Authorization: Bearer …`")
    return credential.strip()


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
