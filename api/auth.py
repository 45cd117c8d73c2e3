"""Who calls, and what they may do: bearer keys, of which the configuration holds the hashes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Literal, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import g, request

from api.services import services
from clipping.config import Api
from clipping.errors import Forbidden, Unauthorized

Role = Literal["client", "admin"]
P = ParamSpec("P")
R = TypeVar("R")

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Caller:
    """Whoever holds a key; the owner of what they ask for."""

    name: str
    role: Role

    def may_see(self, owner: str) -> bool:
        """A client's clips are that client's and the admins'."""
        return self.role == "admin" or self.name == owner


def identify(api: Api, *, authorization: str, host: str) -> Caller:
    """The caller behind the `Authorization` header. Raises `Unauthorized` or `Forbidden`.

    Without keys the service listens on loopback only and serves whoever is on this machine. A page in that
    person's browser is not: it is given away by the `Host` header, when a name of its own points here.
    """
    if not api.keys:
        if _host_name(host) not in {*_LOOPBACK, urlsplit(api.public_url).hostname}:
            raise Forbidden("without configured keys this service answers on its loopback address only")
        return Caller("local", "admin")
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized("send your key as `Authorization: Bearer KEY`")
    # WSGI hands header bytes over as Latin-1. Every key is compared, so that time tells nothing.
    digest = hashlib.sha256(key.strip().encode("latin-1", "replace")).hexdigest()
    matches = [known for known in api.keys if hmac.compare_digest(known.sha256, digest)]
    if not matches:
        raise Unauthorized("this key is not known")
    return Caller(matches[0].name, matches[0].role)


def requires(role: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view that only callers of this role reach (admins may do what clients may); sets `g.caller`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            authorization = request.headers.get("Authorization", "")
            caller = identify(services().config.api, authorization=authorization, host=request.host)
            if role == "admin" and caller.role != "admin":
                raise Forbidden("this needs an admin's key")
            g.caller = caller
            return view(*args, **kwargs)

        return guarded

    return decorate


def caller() -> Caller:
    """Whose request this is, in a view that `requires` a role."""
    found: Caller = g.caller
    return found


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
