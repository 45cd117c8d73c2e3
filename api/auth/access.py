"""Access control of the routes: required roles and rate limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, current_app, g, request

from api.auth.callers import Authenticator, Caller, Knock
from api.auth.limits import RateLimiter
from clipping.config import Role
from clipping.errors import Forbidden

P = ParamSpec("P")
R = TypeVar("R")
_EXTENSION = "clipping-door"
NEEDS_ADMIN = (
    "an admin key is needed: the one that `clipping up` prints and keeps in keys.json, "
    "or a key with role admin in api.keys"
)


@dataclass(frozen=True)
class Door:
    """Authenticates a caller and applies the rate limits."""

    authenticator: Authenticator
    rates: RateLimiter


def install(app: Flask, door: Door) -> None:
    """Make `requires` use this object in all views of the app."""
    app.extensions[_EXTENSION] = door


def requires(role: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Restrict a view to callers with this role (admins may do all that clients may); sets `g.caller`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            admit(role)
            return view(*args, **kwargs)

        return guarded

    return decorate


def admit(role: Role) -> None:
    """Admit a caller with this role. Raises `Unauthorized`, `Forbidden` and `RateLimited`."""
    door: Door = current_app.extensions[_EXTENSION]
    found = door.authenticator.identify(_knock())
    _take(door, found)
    if role == "admin" and found.role != "admin":
        raise Forbidden(NEEDS_ADMIN)


def admit_bearer_of(name: str) -> None:
    """Admit a client by a verified token that names it. Raises `RateLimited`."""
    _take(current_app.extensions[_EXTENSION], Caller(name, "client", "token"))


def _take(door: Door, found: Caller) -> None:
    g.caller = found
    g.allowance = allowance = door.rates.take(found.name)
    if allowance is not None:
        allowance.check()


def caller() -> Caller:
    """The caller of the request, in a view that `requires` a role."""
    found: Caller = g.caller
    return found


def _knock() -> Knock:
    return Knock(
        authorization=request.headers.get("Authorization", ""),
        host=request.host,
        origin=request.headers.get("Origin"),
        method=request.method,
        address=request.remote_addr or "",
    )
