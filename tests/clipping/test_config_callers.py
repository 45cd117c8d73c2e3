"""`roots` of keys and accounts."""

from __future__ import annotations

from typing import Any

import pytest

from clipping.config import roots_of, validate
from clipping.errors import ConfigurationError

HASH = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
ROOTS = {"nas_roots": [{"path": "/nas"}, {"path": "/old"}]}


def tree(*keys: tuple[str, Any], agent: dict[str, Any] = ROOTS, **accounts: Any) -> dict[str, Any]:
    given = [
        {"name": name, "role": "client", "sha256": HASH} | ({} if roots is None else {"roots": roots})
        for name, roots in keys
    ]
    oidc = {"audience": "x", "accounts": {"Ed@example.com": "client", "b@example.com": "admin"}, **accounts}
    return {"agent": agent, "api": {"keys": given, "oidc": oidc}}


def test_the_roots_of_each_caller() -> None:
    keys = [("web", None), ("ada", ["/nas/"]), ("ada", ["/nas"]), ("eve", [])]
    api = validate(tree(*keys, roots={"eD@example.com": ["/old"]})).api
    callers = ("web", "ada", "eve", "ed@example.com", "b@example.com", "local")
    assert [roots_of(api, name) for name in callers] == [None, ["/nas"], [], ["/old"], None, None]
    validate(tree(("ada", ["/anything"]), agent={}))  # in the cloud: it knows no roots


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            tree(("ada", ["/nas2"])),
            "api.keys.0.roots: /nas2 is not in agent.nas_roots: name one of /nas, /old",
        ),
        (tree(("ada", ["/nas/a"])), "api.keys.0.roots: /nas/a is not in agent.nas_roots"),
        (tree(("ada", ["nas"])), "api.keys.0.roots.0: must be an absolute path"),
        (tree(("ada", ["/nas"]), ("ada", None)), "api.keys.1.roots: must be the same for all keys named ada"),
        (tree(roots={"c@example.com": []}), "api.oidc.roots.c@example.com: is not in api.oidc.accounts"),
        (tree(roots={"b@example.com": ["/x"]}), "api.oidc.roots.b@example.com: /x is not in agent.nas_roots"),
    ],
)
def test_what_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validate(given)
    assert says in str(refused.value)
