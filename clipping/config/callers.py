"""Which roots each caller of the API may use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clipping.config.agent import NasRoot
from clipping.config.service import Api


def roots_of(api: Api, caller: str) -> list[str] | None:
    """The folders that a caller, by the name of a key or an account's address, may cut from and preview.

    None: all that the agents have.
    """
    for key in api.keys:
        if key.name == caller:
            return key.roots
    by_account = {} if api.oidc is None else {mail.lower(): roots for mail, roots in api.oidc.roots.items()}
    return by_account.get(caller)


def caller_problems(api: Api, nas_roots: Sequence[NasRoot]) -> Iterator[str]:
    """What is wrong with the roots of callers. An API that knows no roots accepts any."""
    known = {root.path for root in nas_roots}
    first = {key.name: key.roots for key in reversed(api.keys)}
    for index, key in enumerate(api.keys):
        yield from _unknown(f"api.keys.{index}.roots", key.roots or [], known)
        if key.roots != first[key.name]:
            yield f"api.keys.{index}.roots: must be the same for all keys named {key.name}"
    if api.oidc is not None:
        accounts = {mail.lower() for mail in api.oidc.accounts}
        for mail, roots in api.oidc.roots.items():
            yield from _unknown(f"api.oidc.roots.{mail}", roots, known)
            if mail.lower() not in accounts:
                yield f"api.oidc.roots.{mail}: is not in api.oidc.accounts: add it there, or remove it here"


def _unknown(path: str, roots: Sequence[str], known: set[str]) -> Iterator[str]:
    for root in roots:
        if known and root not in known:
            yield f"{path}: {root} is not in agent.nas_roots: name one of {', '.join(sorted(known))}"
